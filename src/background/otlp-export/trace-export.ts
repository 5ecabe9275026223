import { isDatabaseUnavailable } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Open } from '../../lib/net/open.ts'
import { now, pause } from '../../lib/time.ts'
import { beginExport, isExportDue, serverDestination } from '../../store/trace-exports.ts'
import type { CollectorSettings } from './collector.ts'
import { makeTraceSender, type TraceSender, type TraceSending } from './send-traces.ts'

interface TraceExportDeps extends TraceSending {
  open: Open
  collector: CollectorSettings
  /** See `SpanSource`. */
  contentCharacters: number
  /** Adds a query to each heartbeat, so that an idle server makes no other. */
  lookFor(look: { condition(at: string): string; now(): Date; onSeen(): void }): void
  log: Logger
}

/** Sends the traces of ended runs to the collector of the operator. */
export interface TraceExport {
  readonly counts: TraceSender['counts']
  /** Notes from where on runs are sent, at the first start with a collector. */
  begin(): Promise<void>
  /** Starts to look for runs that have ended. */
  start(): void
  /** Stops; a request under way is cut off after `seconds`, and sent again later. */
  stop(seconds: number): Promise<void>
}

const longestNapMs = 60_000

export const makeTraceExport = (deps: TraceExportDeps): TraceExport => {
  const { database, log } = deps
  const stopping = new AbortController()
  const cutOff = new AbortController()
  const { counts, sendAll } = makeTraceSender(deps, {
    ...deps,
    destination: serverDestination,
    collectionId: null,
    stopping: stopping.signal,
    cutOff: cutOff.signal,
  })
  let nap = new AbortController()
  let working: Promise<void> | undefined

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
