import { randomUUID } from 'node:crypto'
import { backoffMs } from '../../lib/backoff.ts'
import type { Logger } from '../../lib/log.ts'
import type { Open } from '../../lib/net/open.ts'
import { now } from '../../lib/time.ts'
import { drawnSoFar, makeSettling } from '../../store/runs/changes.ts'
import { advanceExport, claimExport, type ExportCursor, releaseExport } from '../../store/trace-exports.ts'
import { encodeExport, readExportAnswer } from '../../traces/otlp.ts'
import { otlpAttributes } from '../../traces/run-spans.ts'
import { type CollectorSettings, makeComplaints, makeSender, scopeName } from './collector.ts'
import { type Batch, type BatchLimits, makeSpanReader, nextBatch, type SpanSource } from './read-spans.ts'

/** What all exports of traces of a process share. */
export interface TraceSending extends Omit<SpanSource, 'collectionId' | 'contentCharacters'> {
  limits: BatchLimits
  /** Attributes of the program that sends: its name, its version, and what the operator adds. */
  resource: Readonly<Record<string, string>>
  /** Version of the program, as that of the library that made the spans. */
  version: string
}

/** A collector, and which runs it gets. */
interface Destination extends Pick<SpanSource, 'collectionId' | 'contentCharacters'> {
  /** The row that says how far its export has come. */
  destination: string
  open: Open
  collector: CollectorSettings
  /** Stops after the request under way. */
  stopping: AbortSignal
  /** Cuts off the request under way. */
  cutOff: AbortSignal
  log: Pick<Logger, 'info' | 'warn'>
}

/** What a process has sent since it started. */
interface ExportCounts {
  /** Spans that the collector took. */
  sent: number
  /** Spans that it refused for good: they are left out. */
  refused: number
  /** Requests that failed, and were sent again. */
  failures: number
}

/** Sends the traces of ended runs to one collector. */
export interface TraceSender {
  readonly counts: Readonly<ExportCounts>
  /**
   * Sends everything that has ended, for `mostMs` at most. Returns whether it sent something: not when nothing is left, the
   * collector is away, or another process has the export.
   */
  sendAll(mostMs?: number): Promise<boolean>
}

const waits = { firstMs: 1_000, longestMs: 60_000, jitter: 0.2 }
/** How long after the timeout of a request the export of a process that died is taken over. */
const lostAfterMs = 5_000

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

export const makeTraceSender = (sending: TraceSending, to: Destination): TraceSender => {
  const { database, limits } = sending
  const { destination, collector, stopping, cutOff, log } = to
  const send = makeSender(to.open, collector)
  const read = makeSpanReader({ ...sending, ...to })
  const complain = makeComplaints(log, 'traces')
  const holder = randomUUID()
  const counts: ExportCounts = { sent: 0, refused: 0, failures: 0 }
  const settling = makeSettling()
  const size = makeBatchSize(limits.spans)

  const hold = () => ({ destination, holder, untilMs: now() + collector.timeoutMs + lostAfterMs })

  const resource = { attributes: otlpAttributes(sending.resource) }
  const scope = { name: scopeName, version: sending.version }
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
    const result = await send('/v1/traces', bytesOf(batch.spans), cutOff)
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

  return {
    counts,
    async sendAll(mostMs = Number.POSITIVE_INFINITY) {
      const endMs = performance.now() + mostMs
      const claimed = await claimExport(database, hold(), now())
      if (!claimed) return false
      let { failures } = claimed
      let at: ExportCursor = claimed
      let untilMs = now()
      try {
        settling.add(await drawnSoFar(database))
        const { settled = at.position } = settling
        while (at.position < settled && !stopping.aborted && performance.now() < endMs) {
          const batch = await nextBatch(read, at, settled, { ...limits, spans: size.spans })
          const next = await sendBatch(at, batch)
          if ('why' in next) {
            if (cutOff.aborted) break
            failures++
            counts.failures++
            complain(next.why)
            untilMs = now() + backoffMs(failures, waits, next.afterSeconds)
            break
          }
          if (!(await advanceExport(database, hold(), next))) return true
          failures = 0
          at = next
          untilMs = now() // other collectors have their turn first
        }
        return at !== claimed
      } finally {
        await releaseExport(database, { destination, holder, untilMs }, failures)
      }
    },
  }
}
