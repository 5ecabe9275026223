import { messageOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Open } from '../../lib/net/open.ts'
import { now, pause } from '../../lib/time.ts'
import { type MetricFamily, otlpMetrics } from '../../traces/metric-points.ts'
import { encodeExport, readExportAnswer } from '../../traces/otlp.ts'
import { otlpAttributes } from '../../traces/run-spans.ts'
import { type CollectorSettings, makeComplaints, makeSender, scopeName } from './collector.ts'

interface MetricExportDeps {
  open: Open
  collector: CollectorSettings
  /** Attributes of this process: its program, and an id of its own, since each process counts for itself. */
  resource: Readonly<Record<string, string>>
  version: string
  /** Reads the metrics of this process. */
  families(): Promise<MetricFamily[]>
  everyMs: number
  log: Logger
}

/** Sends the metrics of this process to the collector of the operator. */
export interface MetricExport {
  /** Sends the last figures, unless the collector has not taken those before. */
  stop(): Promise<void>
}

/** A server that stops does not wait longer for its collector. */
const lastSendMs = 5_000

/** Begins to send metrics at an interval. A failed request is not repeated: the next one has the same sums, and newer ones. */
export const startMetricExport = (deps: MetricExportDeps): MetricExport => {
  const { collector, everyMs } = deps
  const send = makeSender(deps.open, collector)
  const complain = makeComplaints(deps.log, 'metrics')
  const stopping = new AbortController()
  const cutOff = new AbortController()
  const resource = { attributes: otlpAttributes(deps.resource) }
  const scope = { name: scopeName, version: deps.version }
  const startMs = now() - process.uptime() * 1000
  let isTaken = true

  /** Sends the figures of now. Returns why the collector did not take all of them. */
  const sendNow = async (): Promise<string | undefined> => {
    const metrics = otlpMetrics(await deps.families(), { startMs, atMs: now() })
    const exported = { resourceMetrics: [{ resource, scopeMetrics: [{ scope, metrics }] }] }
    const bytes = encodeExport('MetricsExport', exported, collector.format)
    const result = await send('/v1/metrics', bytes, cutOff.signal)
    if (result.kind !== 'taken') return result.why
    const { rejected, reason } = readExportAnswer(result.answer, collector.format)
    return rejected > 0 ? `It rejected values: ${reason || 'it gave no reason'}` : undefined
  }

  const sendOnce = async () => {
    const why = await sendNow().catch(messageOf)
    isTaken = why === undefined
    if (!cutOff.signal.aborted) complain(why)
  }

  const sendUntilStopped = async () => {
    while (await pause(everyMs, stopping.signal)) await sendOnce()
    if (isTaken) await sendOnce()
  }
  const working = sendUntilStopped()

  return {
    async stop() {
      stopping.abort()
      const timer = setTimeout(() => cutOff.abort(), lastSendMs)
      await working
      clearTimeout(timer)
    },
  }
}
