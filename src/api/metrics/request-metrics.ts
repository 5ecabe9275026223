import type { Registry } from 'prom-client'
import type { RequestObserver } from '../../http/options.ts'

type Prometheus = typeof import('prom-client')

/** From 1 ms to the ten minutes that run-sync may wait. */
const bucketSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600]

interface Children {
  duration: { observe(seconds: number): void }
  byStatus: Map<number, { inc(): void }>
}

/**
 * Counts requests. The library is loaded after the start; earlier requests are queued until then. Labels are resolved
 * once for each operation, not for each request.
 */
export const makeRequestMetrics = () => {
  let early: [string, number, number][] = []
  let count: RequestObserver['answered'] = (...answer) => void early.push(answer)
  let streams = 0
  let refused = 0

  const observer: RequestObserver = {
    answered: (operation, status, seconds) => count(operation, status, seconds),
    connectionRefused: () => void refused++,
    streaming() {
      streams++
      return () => void streams--
    },
  }

  const register = ({ Counter, Gauge, Histogram }: Prometheus, registry: Registry): void => {
    const registers = [registry]
    const requests = new Counter({
      name: 'jetty_http_requests_total',
      help: 'Requests answered, by operation and status.',
      labelNames: ['operation', 'status'],
      registers,
    })
    const durations = new Histogram({
      name: 'jetty_http_request_duration_seconds',
      help: 'Time until the response began, by operation.',
      labelNames: ['operation'],
      buckets: bucketSeconds,
      registers,
    })
    new Gauge({
      name: 'jetty_http_streams_open',
      help: 'Event streams that clients hold open.',
      registers,
      collect() {
        this.set(streams)
      },
    })
    new Counter({
      name: 'jetty_http_connections_refused_total',
      help: 'Connections refused because JETTY_MAX_CONNECTIONS were open.',
      registers,
      collect() {
        this.reset()
        this.inc(refused)
      },
    })
    const known = new Map<string, Children>()
    const childrenOf = (operation: string): Children => {
      const made: Children = { duration: durations.labels(operation), byStatus: new Map() }
      known.set(operation, made)
      return made
    }
    const counterOf = (operation: string, { byStatus }: Children, status: number) => {
      const made = requests.labels(operation, String(status))
      byStatus.set(status, made)
      return made
    }
    count = (operation, status, seconds) => {
      const children = known.get(operation) ?? childrenOf(operation)
      children.duration.observe(seconds)
      const counter = children.byStatus.get(status) ?? counterOf(operation, children, status)
      counter.inc()
    }
    for (const answer of early) count(...answer)
    early = []
  }
  return { observer, register }
}
