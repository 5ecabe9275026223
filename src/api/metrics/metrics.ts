import type { Registry } from 'prom-client'
import type { Engine } from '../../engine/engine.ts'
import type { RequestObserver } from '../../http/options.ts'
import type { LoopWatch } from '../../lib/loop-watch.ts'
import type { Database } from '../../store/database/database.ts'
import type { DatabaseWatch } from '../../store/database/watch.ts'
import type { MetricFamily } from '../../traces/metric-points.ts'
import { makeRequestMetrics, registerDatabase, registerEngine } from './metric-families.ts'

/** Counts of a model since the process started. */
interface ModelFigures {
  calls: number
  failures: number
  tokens: number
  usd: number
}

/** Calls of this process to models. */
interface ProviderMetricsSource {
  /** Names that the server knows. Those that collections invent are one: `custom`. */
  providers: readonly string[]
  models(): readonly ({ provider: string; model: string } & ModelFigures)[]
}

/** Registers the calls to models, by provider and model. */
const registerProviders = (
  { Counter }: typeof import('prom-client'),
  registry: Registry,
  { providers, models }: ProviderMetricsSource,
): void => {
  const known = new Set(providers)
  const counter = (name: string, help: string, value: (model: ModelFigures) => number) =>
    new Counter({
      name,
      help,
      labelNames: ['provider', 'model'],
      registers: [registry],
      collect() {
        this.reset()
        for (const one of models()) {
          const isKnown = known.has(one.provider)
          this.inc({ provider: isKnown ? one.provider : 'custom', model: isKnown ? one.model : 'other' }, value(one))
        }
      },
    })
  counter('jetty_model_calls_total', 'Requests to models that ended, by provider and model.', ({ calls }) => calls)
  counter(
    'jetty_model_failures_total',
    'Those that failed: a refused key, an exhausted limit, a fault of the provider, or no answer.',
    ({ failures }) => failures,
  )
  counter(
    'jetty_model_tokens_total',
    'Tokens of the answers of models, as providers counted them, or estimated.',
    ({ tokens }) => tokens,
  )
  counter('jetty_model_cost_usd_total', 'Cost of the answers of models, as far as prices are known.', ({ usd }) => usd)
}

type Prometheus = typeof import('prom-client')

/** Counters of this process, with a registry for each server. */
export interface Metrics {
  observer: RequestObserver
  /** All metrics in Prometheus's text format. */
  read(): Promise<{ text: string; contentType: string }>
  /** The same metrics as values, for another encoding. */
  families(): Promise<MetricFamily[]>
  stop(): void
}

interface MetricsSource {
  database: Database
  watch: Pick<DatabaseWatch, 'state' | 'clock'>
  faults: Readonly<Record<string, number>>
  /** Number of failures of each housekeeping chore. */
  house: { readonly failures: Readonly<Record<string, number>>; readonly keepsRemovedFiles: boolean }
  engine: Engine
  calls: ProviderMetricsSource
  loop: LoopWatch
  version: string
  role: string
  /** Maximum concurrent steps. */
  slots: number
}

const registerHouse = ({ Counter, Gauge }: Prometheus, registry: Registry, house: MetricsSource['house']): void => {
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
/** Never, as timers go: the library's own samples of the event loop are replaced by those of `LoopWatch`. */
const neverMs = 2 ** 31 - 1

const lags: readonly [name: string, seconds: (loop: LoopWatch) => number][] = [
  ['', ({ lateMs }) => lateMs / 1e3],
  ['_min', ({ lag }) => lag.min / 1e9],
  ['_max', ({ lag }) => lag.max / 1e9],
  ['_mean', ({ lag }) => lag.mean / 1e9],
  ['_stddev', ({ lag }) => lag.stddev / 1e9],
  ['_p50', ({ lag }) => lag.percentile(50) / 1e9],
  ['_p90', ({ lag }) => lag.percentile(90) / 1e9],
  ['_p99', ({ lag }) => lag.percentile(99) / 1e9],
]

/**
 * Replaces the library's lag of the event loop by that since the metrics were read last. The library measures the time
 * between two timers, which is never below their interval; here it is how late a timer was.
 */
const replaceLag = ({ Gauge }: Prometheus, registry: Registry, loop: LoopWatch): void => {
  for (const [name, seconds] of lags) {
    const full = `nodejs_eventloop_lag${name}_seconds`
    registry.removeSingleMetric(full)
    new Gauge({
      name: full,
      help: `How late timers of the event loop were since the metrics were read last${name.replace('_', ': ')}.`,
      registers: [registry],
      collect() {
        this.set(loop.lag.count === 0 ? 0 : seconds(loop))
      },
    })
  }
}

const registerBlocks = ({ Counter }: Prometheus, registry: Registry, loop: LoopWatch): void => {
  new Counter({
    name: 'jetty_loop_blocks_total',
    help: 'Pieces of work that kept all others waiting for longer than JETTY_LOOP_BLOCKED_MS.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(loop.blocks)
    },
  })
  new Counter({
    name: 'jetty_loop_blocked_seconds_total',
    help: 'Time for which such work kept all others waiting.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(loop.blockedSeconds)
    },
  })
}

/** The library declares neither the names of its types nor those of the parts of a histogram. */
type LibraryMetric = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number]
const familyOf = ({ name, help, type, values }: LibraryMetric): MetricFamily => ({
  name,
  help,
  type: String(type) as MetricFamily['type'],
  values: values.map(({ labels, value, ...of }) => ({
    name: 'metricName' in of ? String(of.metricName) : name,
    labels: Object.fromEntries(Object.entries(labels).map(([label, of]) => [label, String(of)])),
    value,
  })),
})

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
    registerProviders(prometheus, registry, source.calls)
    registerHouse(prometheus, registry, source.house)
    registerBlocks(prometheus, registry, source.loop)
    return registry
  }
  const loaded = () => {
    loading ??= load().catch((error) => {
      loading = undefined // out of descriptors, perhaps: the next scrape tries again
      throw error
    })
    return loading
  }
  /** Reads all metrics. What is measured between two reads begins again. */
  const readBy = async <Read>(read: (registry: Registry) => Promise<Read>): Promise<Read> => {
    const register = await loaded()
    if (!sampled) {
      sampled = true // a server whose metrics are never read keeps no samples
      const { default: prometheus } = await import('prom-client')
      prometheus.collectDefaultMetrics({ register, eventLoopMonitoringPrecision: neverMs })
      replaceLag(prometheus, register, source.loop)
    }
    const result = await read(register)
    source.loop.lag.reset()
    return result
  }
  const timer = setTimeout(() => void loaded().catch(() => {}), loadAfterMs).unref()

  return {
    observer: requests.observer,
    read: () => readBy(async (registry) => ({ text: await registry.metrics(), contentType: registry.contentType })),
    families: () => readBy(async (registry) => (await registry.getMetricsAsJSON()).map(familyOf)),
    stop: () => clearTimeout(timer),
  }
}
