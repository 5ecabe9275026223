import type { Readiness } from '../api/health/readiness.ts'
import { healthRoutes } from '../api/health/routes.ts'
import { type Metrics, makeMetrics } from '../api/metrics/metrics.ts'
import { makeOpenMetricsServer } from '../api/metrics/open-server.ts'
import { makeReference } from '../api/reference.ts'
import type { Closers } from '../lib/closers.ts'
import { version } from '../lib/version.ts'
import { catalogue } from '../providers/catalogue.ts'
import { modelCalls } from '../providers/upstream/provider-health.ts'
import type { Housekeeping } from './housekeeping.ts'
import type { ServerCore } from './server-core.ts'

interface MetricsPort {
  /** Begins to count, and to listen where `JETTY_METRICS_PORT` is set. */
  open(housekeeping: Housekeeping): Promise<{ metrics: Metrics; metricsUrl: string | undefined }>
}

/**
 * Takes a place in the order of closing for a port that opens later: it stays open until everything registered after it
 * has closed, so that load balancers read "not ready" meanwhile.
 */
export const reserveMetricsPort = (
  core: Pick<ServerCore, 'settings' | 'database' | 'engine' | 'loop' | 'log'>,
  readiness: Readiness,
  closers: Closers,
): MetricsPort => {
  const { settings, engine, loop, log } = core
  const { database, watch, faults } = core.database
  let close = async () => {}
  closers.add(() => close())

  const listen = async (metrics: Metrics) => {
    if (settings.metricsPort === undefined) return undefined
    const health = healthRoutes({ database, readiness, version, ...makeReference({ version }) })
    const server = makeOpenMetricsServer({ metrics, health, settings, log })
    close = () => server.close(0)
    return (await server.listen(settings.host, settings.metricsPort, 'JETTY_METRICS_PORT')).url
  }
  return {
    async open(house) {
      const { role, workerConcurrency: slots } = settings
      const calls = { providers: catalogue.map(({ name }) => name), models: modelCalls }
      const metrics = makeMetrics({ database, watch, faults, house, engine, calls, loop, version, role, slots })
      closers.add(() => metrics.stop())
      return { metrics, metricsUrl: await listen(metrics) }
    },
  }
}
