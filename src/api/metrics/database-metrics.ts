import type { Registry } from 'prom-client'
import type { Database } from '../../database/database.ts'

type Prometheus = typeof import('prom-client')

/** The size of a database is the sizes of its files: a look at each of them, which once a minute is often enough. */
const sizeKeptMs = 60_000

/** What the database is asked for when somebody reads the metrics. While it is away only `jetty_database_up` says so. */
export const registerDatabase = ({ Gauge }: Prometheus, registry: Registry, database: Database): void => {
  const registers = [registry]
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
  const size = gauge('jetty_database_size_bytes', 'Size of the database, as of at most a minute ago.')
  const queued = gauge('jetty_leases_queued', 'Batches of runs that wait for a process to work on them.')
  let measuredMs = Number.NEGATIVE_INFINITY

  const look = async (): Promise<number> => {
    try {
      const [row] = await database.rows<{ queued: number }>(
        'queued_leases',
        `select count(*) as queued from leases where owner = ''`,
      )
      queued.set(row?.queued ?? 0)
      if (performance.now() - measuredMs > sizeKeptMs) {
        const text = 'select pg_database_size(current_database()) as bytes'
        size.set((await database.rows<{ bytes: number }>('database_size', text))[0]?.bytes ?? 0)
        measuredMs = performance.now()
      }
      return 1
    } catch {
      return 0
    }
  }
  new Gauge({
    name: 'jetty_database_up',
    help: '1 while the database answers.',
    registers,
    async collect() {
      this.set(await look())
    },
  })
  new Gauge({
    name: 'jetty_database_connections',
    help: 'Connections of the pool (used, idle) and calls that wait for one (waiting).',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, total] of Object.entries(database.statistics())) this.set({ state }, total)
    },
  })
}
