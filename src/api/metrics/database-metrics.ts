import type { Registry } from 'prom-client'
import type { Database } from '../../store/database/database.ts'
import { bigint, queryValue } from '../../store/database/table.ts'
import { type DatabaseWatch, databaseStates } from '../../store/database/watch.ts'
import { readWaits, type Waits } from '../../store/system/waits.ts'

type Prometheus = typeof import('prom-client')

/** Reading the database size examines each of its files, so once a minute. */
const sizeKeptMs = 60_000

interface Look {
  up: number
  waits: Partial<Waits>
  bytes: number
}

interface Watched {
  database: Database
  watch: Pick<DatabaseWatch, 'state' | 'clock'>
  /** Statements that Postgres could not carry out, by SQLSTATE. */
  faults: Readonly<Record<string, number>>
}

const databaseSize = queryValue(
  'database_size',
  { bytes: bigint },
  'select pg_database_size(current_database()) as bytes',
)

/**
 * Makes a reader of the database's figures. It makes one query at a time, and during an outage keeps the last figures.
 */
const makeLook = ({ database, watch }: Watched): (() => Promise<Look>) => {
  const last: Look = { up: 0, waits: {}, bytes: 0 }
  let measuredMs = Number.NEGATIVE_INFINITY
  let looking: Promise<Look> | undefined

  const look = async (): Promise<Look> => {
    try {
      last.waits = await readWaits(database)
      if (performance.now() - measuredMs > sizeKeptMs) {
        last.bytes = await databaseSize(database)
        measuredMs = performance.now()
      }
      last.up = watch.state === 'up' ? 1 : 0
    } catch {
      last.up = 0
    }
    return last
  }
  return () => {
    looking ??= look().finally(() => {
      looking = undefined
    })
    return looking
  }
}

const waitGauges: [name: string, help: string, figure: keyof Waits][] = [
  ['jetty_leases_queued', 'Queued batches of runs that wait for a worker process.', 'leasesQueued'],
  ['jetty_activity_workers', 'Workers of other programs that take jobs now.', 'workers'],
  ['jetty_worker_jobs_queued', 'Steps that wait for a worker of another program.', 'jobsQueued'],
  ['jetty_worker_jobs_leased', 'Steps that workers of other programs carry out.', 'jobsLeased'],
  ['jetty_webhooks_queued', 'Webhooks to be delivered.', 'webhooks'],
  ['jetty_webhooks_retried', 'Webhooks to be delivered whose last attempt failed.', 'webhooksRetried'],
  ['jetty_routine_fires_waiting', 'Fires of routines that are due and have not started a run.', 'routineFires'],
  ['jetty_collections_paused', 'Collections that are paused.', 'collectionsPaused'],
]

const ages: [what: string, figure: keyof Waits][] = [
  ['lease', 'leaseSeconds'],
  ['worker_job', 'jobSeconds'],
  ['webhook', 'webhookSeconds'],
  ['routine', 'routineSeconds'],
]

/** Registers metrics that are read from the database at each scrape. */
export const registerDatabase = ({ Counter, Gauge }: Prometheus, registry: Registry, watched: Watched): void => {
  const { database, watch, faults } = watched
  const registers = [registry]
  const look = makeLook(watched)
  const gauge = (name: string, help: string, value: (seen: Look) => number) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(value(await look()))
      },
    })
  gauge('jetty_database_up', '1 while the database answers and accepts writes.', ({ up }) => up)
  new Gauge({
    name: 'jetty_database_state',
    help: '1 for the state of the database: up, read_only, failing (it cannot write: its disk is full or broken) or away.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of databaseStates) this.set({ state }, state === watch.state ? 1 : 0)
    },
  })
  new Counter({
    name: 'jetty_database_faults_total',
    help: 'Statements that PostgreSQL could not carry out, by SQLSTATE: 53100 is a full disk.',
    labelNames: ['code'],
    registers,
    collect() {
      this.reset()
      for (const [code, total] of Object.entries(faults)) this.inc({ code }, total)
    },
  })
  gauge('jetty_database_size_bytes', 'Size of the database, as of at most a minute ago.', ({ bytes }) => bytes)
  for (const [name, help, figure] of waitGauges) gauge(name, help, ({ waits }) => waits[figure] ?? 0)
  new Gauge({
    name: 'jetty_oldest_wait_seconds',
    help: 'How long the oldest has waited: a batch of runs, a step for a worker of another program, a webhook or a fire of a routine that is due.',
    labelNames: ['what'],
    registers,
    async collect() {
      const { waits } = await look()
      for (const [what, figure] of ages) this.set({ what }, waits[figure] ?? 0)
    },
  })
  new Gauge({
    name: 'jetty_clock_skew_seconds',
    help: 'How far the clock of this machine is ahead of the database clock.',
    registers,
    collect() {
      this.set(watch.clock.skewMs / 1000)
    },
  })
  new Gauge({
    name: 'jetty_database_connections',
    help: 'Connections of the pool (used, idle) and calls that wait for one (waiting).',
    labelNames: ['state'],
    registers,
    async collect() {
      await look() // opens its own connection now, so that the figures do not count it
      for (const [state, total] of Object.entries(database.statistics())) this.set({ state }, total)
    },
  })
}
