import { randomUUID } from 'node:crypto'
import { backoffMs } from '../../lib/backoff.ts'
import { isDatabaseUnavailable } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Open } from '../../lib/net/open.ts'
import { now, pause } from '../../lib/time.ts'
import { drawnSoFar, makeSettling } from '../../store/runs/changes.ts'
import {
  advanceExport,
  beginExport,
  claimExport,
  type ExportCursor,
  isExportDue,
  releaseExport,
} from '../../store/trace-exports.ts'
import { encodeExport, readExportAnswer } from '../../traces/otlp.ts'
import { otlpAttributes } from '../../traces/run-spans.ts'
import { type CollectorSettings, makeComplaints, makeSender, scopeName } from './collector.ts'
import { type Batch, type BatchLimits, makeSpanReader, nextBatch, type SpanSource } from './read-spans.ts'

interface TraceExportDeps extends SpanSource {
  open: Open
  collector: CollectorSettings
  limits: BatchLimits
  /** Attributes of the program that sends: its name, its version, and what the operator adds. */
  resource: Readonly<Record<string, string>>
  /** Version of the program, as that of the library that made the spans. */
  version: string
  /** Adds a query to each heartbeat, so that an idle server makes no other. */
  lookFor(look: { condition(at: string): string; now(): Date; onSeen(): void }): void
  log: Logger
}

/** What this process has sent since it started. */
interface ExportCounts {
  /** Spans that the collector took. */
  sent: number
  /** Spans that it refused for good: they are left out. */
  refused: number
  /** Requests that failed, and were sent again. */
  failures: number
}

/** Sends the traces of ended runs to the collector of the operator. */
export interface TraceExport {
  readonly counts: Readonly<ExportCounts>
  /** Notes from where on runs are sent, at the first start with a collector. */
  begin(): Promise<void>
  /** Starts to look for runs that have ended. */
  start(): void
  /** Stops; a request under way is cut off after `seconds`, and sent again later. */
  stop(seconds: number): Promise<void>
}

const waits = { firstMs: 1_000, longestMs: 60_000, jitter: 0.2 }
/** How long after the timeout of a request the export of a process that died is taken over. */
const lostAfterMs = 5_000
const longestNapMs = 60_000

/** A batch of refused spans is cut in halves until the one that is at fault stands alone. */
const makeBatchSize = (most: number) => {
  let size = most
  return {
    get spans() {
      return size
    },
    halve(of: number) {
      size = Math.max(1, Math.ceil(Math.min(size, of) / 2))
    },
    grow() {
      size = Math.min(most, size * 2)
    },
  }
}

export const makeTraceExport = (deps: TraceExportDeps): TraceExport => {
  const { database, collector, limits, log } = deps
  const send = makeSender(deps.open, collector)
  const read = makeSpanReader(deps)
  const holder = randomUUID()
  const stopping = new AbortController()
  const cutOff = new AbortController()
  const counts: ExportCounts = { sent: 0, refused: 0, failures: 0 }
  const settling = makeSettling()
  const complain = makeComplaints(log, 'traces')
  const size = makeBatchSize(limits.spans)
  let nap = new AbortController()
  let working: Promise<void> | undefined

  const hold = () => ({ holder, untilMs: now() + collector.timeoutMs + lostAfterMs })

  const resource = { attributes: otlpAttributes(deps.resource) }
  const scope = { name: scopeName, version: deps.version }
  const bytesOf = (spans: Batch['spans']): Buffer =>
    encodeExport('Export', { resourceSpans: [{ resource, scopeSpans: [{ scope, spans }] }] }, collector.format)

  const leaveOut = (spans: number, why: string): void => {
    counts.refused += spans
    log.warn({ spans, why }, 'the collector refused spans for good: they are left out')
  }

  /** Sends one batch. Returns where the export goes on, or why it has to wait. */
  const sendBatch = async (
    from: ExportCursor,
    batch: Batch,
  ): Promise<ExportCursor | { why: string; afterSeconds: number | undefined }> => {
    if (batch.spans.length === 0) return batch.after
    const result = await send('/v1/traces', bytesOf(batch.spans), cutOff.signal)
    if (result.kind === 'later') return result
    if (result.kind === 'refused') {
      if (batch.spans.length > 1) {
        size.halve(batch.spans.length)
        return from
      }
      leaveOut(1, result.why)
    } else {
      const { rejected, reason } = readExportAnswer(result.answer, collector.format)
      const left = Math.min(rejected, batch.spans.length)
      if (left > 0) leaveOut(left, reason || 'The collector gave no reason')
      counts.sent += batch.spans.length - left
    }
    size.grow()
    complain(undefined)
    return batch.after
  }

  /** Sends everything that has ended. Returns when nothing is left, the collector is away, or another process took over. */
  const sendAll = async (): Promise<void> => {
    const claimed = await claimExport(database, hold(), now())
    if (!claimed) return
    let { failures } = claimed
    let at: ExportCursor = claimed
    let untilMs = 0
    try {
      settling.add(await drawnSoFar(database))
      const { settled = at.position } = settling
      while (at.position < settled && !stopping.signal.aborted) {
        const batch = await nextBatch(read, at, settled, { ...limits, spans: size.spans })
        const next = await sendBatch(at, batch)
        if ('why' in next) {
          if (cutOff.signal.aborted) break
          failures++
          counts.failures++
          complain(next.why)
          untilMs = now() + backoffMs(failures, waits, next.afterSeconds)
          break
        }
        if (!(await advanceExport(database, hold(), next))) return
        failures = 0
        at = next
      }
    } finally {
      await releaseExport(database, { holder, untilMs }, failures)
    }
  }

  const sendUntilStopped = async () => {
    while (!stopping.signal.aborted) {
      nap = new AbortController()
      await sendAll().catch((err) =>
        log[isDatabaseUnavailable(err) ? 'debug' : 'error']({ err }, 'the export of traces is put off'),
      )
      if (!stopping.signal.aborted) await pause(longestNapMs, nap.signal)
    }
  }

  return {
    counts,
    async begin() {
      await beginExport(database)
    },
    start() {
      if (working) return
      working = sendUntilStopped()
      deps.lookFor({ condition: isExportDue, now: () => new Date(now()), onSeen: () => nap.abort() })
    },
    async stop(seconds) {
      stopping.abort()
      nap.abort()
      const done = new AbortController()
      const ended = Promise.resolve(working).finally(() => done.abort())
      if (await pause(seconds * 1000, done.signal)) cutOff.abort()
      await ended
    },
  }
}
