import { implement, type Route } from '../../http/implement.ts'
import { bytes } from '../../http/reply.ts'
import { metricsContract } from './contract.ts'
import type { Metrics } from './metrics.ts'

export interface MetricsDeps {
  metrics: Metrics
}

const encoder = new TextEncoder()

export const metricsRoutes = ({ metrics }: MetricsDeps): Route[] =>
  implement(metricsContract, {
    getMetrics: async () => {
      const { text, contentType } = await metrics.read()
      return bytes(encoder.encode(text), { 'content-type': contentType, 'cache-control': 'no-store' })
    },
  })

/** Metrics on a port of their own, open to all who can reach it. */
export const openMetricsRoutes = (deps: MetricsDeps): Route[] =>
  metricsRoutes(deps).map((route) => ({ ...route, endpoint: { ...route.endpoint, access: 'none' } }))
