import type { Registry } from 'prom-client'
import type { Database } from '../../database/database.ts'
import type { DatabaseWatch } from '../../database/watch.ts'
import type { Engine } from '../../engine/engine.ts'
import type { RequestObserver } from '../../http/observer.ts'
import { registerDatabase } from './database-metrics.ts'
import { registerEngine } from './engine-metrics.ts'
import { makeRequestMetrics } from './request-metrics.ts'

/** Counters of this process, with a registry for each server. */
export interface Metrics {
  observer: RequestObserver
  /** All metrics in Prometheus's text format. */
  read(): Promise<{ text: string; contentType: string }>
  stop(): void
}

interface MetricsSource {
  database: Database
  watch: Pick<DatabaseWatch, 'state' | 'clock'>
  /** Number of failures of each housekeeping chore. */
  house: { readonly failures: Readonly<Record<string, number>>; readonly keepsRemovedFiles: boolean }
  engine: Engine
  version: string
  role: string
  /** Maximum concurrent steps. */
  slots: number
}

const registerHouse = (
  { Counter, Gauge }: typeof import('prom-client'),
  registry: Registry,
  house: MetricsSource['house'],
): void => {
  new Gauge({
    name: 'jetty_file_removals_paused',
    help: '1 while the bytes of deleted files are kept, because another database uses the folder of files.',
    registers: [registry],
    collect() {
      this.set(house.keepsRemovedFiles ? 1 : 0)
    },
  })
  new Counter({
    name: 'jetty_housekeeping_failures_total',
    help: 'Housekeeping chores that failed, by chore; the log has the reason.',
    labelNames: ['chore'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [chore, total] of Object.entries(house.failures)) this.inc({ chore }, total)
    },
  })
}

/** The library takes 40 ms to load, so it is loaded after the start. No scraper polls in the first second. */
const loadAfterMs = 1_000
/** A timer of the event loop's own, which an idle server should not wake up for a hundred times a second. */
const eventLoopResolutionMs = 200

export const makeMetrics = (source: MetricsSource): Metrics => {
  const requests = makeRequestMetrics()
  let loading: Promise<Registry> | undefined
  let sampled = false

  const load = async (): Promise<Registry> => {
    const { default: prometheus } = await import('prom-client')
    const registry = new prometheus.Registry()
    const info = { name: 'jetty_info', help: 'Version and role of this process; always 1.', registers: [registry] }
    new prometheus.Gauge({ ...info, labelNames: ['version', 'role'] }).labels(source.version, source.role).set(1)
    requests.register(prometheus, registry)
    registerEngine(prometheus, registry, source)
    registerDatabase(prometheus, registry, source)
    registerHouse(prometheus, registry, source.house)
    return registry
  }
  const loaded = () => {
    loading ??= load().catch((error) => {
      loading = undefined // out of descriptors, perhaps: the next scrape tries again
      throw error
    })
    return loading
  }
  const timer = setTimeout(() => void loaded().catch(() => {}), loadAfterMs).unref()

  return {
    observer: requests.observer,
    async read() {
      const register = await loaded()
      if (!sampled) {
        sampled = true // a server that is never scraped keeps no samples
        const { default: prometheus } = await import('prom-client')
        prometheus.collectDefaultMetrics({ register, eventLoopMonitoringPrecision: eventLoopResolutionMs })
      }
      return { text: await register.metrics(), contentType: register.contentType }
    },
    stop: () => clearTimeout(timer),
  }
}
