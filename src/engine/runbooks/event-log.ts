import { now } from '../../lib/time.ts'
import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import { Fenced } from '../journal/journal.ts'
import type { EventRow } from '../journal/journal-entry.ts'
import type { StepAtWork } from '../steps/step.ts'
import { fitEvent } from './fit-event.ts'

/** Writes down what an agent does, while it does it. */
export interface EventLog {
  add(event: NewAgentEvent): void
  /** Resolves when everything is on disk; nothing is taken any more. Throws Fenced. */
  close(): Promise<void>
}

/** What is seen is at most so old. */
const flushMs = 200
/** So much is written at once, without waiting for the time. */
const batchEvents = 100
const batchBytes = 256 * 1024
/** Above so much that waits, as while Postgres is away, only what says how it goes is still taken. */
const waitingBytes = 4 * 1024 * 1024
/** Of that so many are taken beyond the limit. */
const mostEssential = 1_000

const isEssential = ({ type }: NewAgentEvent): boolean => type === 'phase' || type === 'error' || type === 'end'

/** Goes on after what was told before: by an earlier attempt, or by one that only waited. */
export const openEventLog = async (work: StepAtWork, onFenced: (fenced: Fenced) => void): Promise<EventLog> => {
  const { engine, lease, run, place } = work
  const { runbookEvents } = engine.limits
  let next = await eventsTold(work)
  let waiting: EventRow[] = []
  let bytes = 0
  let leftOut = 0
  let hasWarned = next > runbookEvents
  let isClosed = false
  let failure: { error: unknown } | undefined
  let sending: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  const send = async (): Promise<void> => {
    await null // what is told in the same tick goes with it
    while (waiting.length > 0 && !failure) {
      const rows = waiting
      waiting = []
      bytes = 0
      await engine.journal
        .add({ lease, collectionId: run.collectionId, events: { runKey: run.key, seq: place.seq, rows } })
        .catch((error) => {
          failure = { error }
          if (error instanceof Fenced) onFenced(error)
        })
      if (leftOut > 0 && !failure) {
        const count = leftOut
        leftOut = 0
        keep({
          type: 'warning',
          message: `Events left out, since they came faster than they could be written: ${count}`,
        })
      }
    }
    sending = undefined
  }
  const flush = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    sending ??= send()
    return sending
  }

  const keep = (event: NewAgentEvent): void => {
    const text = fitEvent(event, run.environment.scrub)
    waiting.push({ n: next++, atMs: now(), event: text })
    bytes += text.length
    if (waiting.length >= batchEvents || bytes >= batchBytes) void flush()
    else timer ??= setTimeout(() => void flush(), flushMs)
  }

  return {
    add(event) {
      if (isClosed || failure) return
      if (next >= runbookEvents) {
        if (!hasWarned) {
          hasWarned = true
          const message = `More than ${runbookEvents} events: of the rest only phases and errors are kept here`
          keep({ type: 'warning', message: `${message}; the log of the agent has all` })
        }
        if (event.type !== 'end' && (!isEssential(event) || next >= runbookEvents + mostEssential)) return
      }
      if (bytes >= waitingBytes && !isEssential(event)) leftOut++
      else keep(event)
    },
    async close() {
      isClosed = true
      clearTimeout(timer)
      while (waiting.length > 0 && !failure) await flush()
      await sending
      if (failure) throw failure.error
    },
  }
}

/** How many events of the step there are. */
const eventsTold = async ({ engine, run, place }: StepAtWork): Promise<number> => {
  const [row] = await engine.database.rows<{ told: number }>(
    'events_told',
    'select coalesce(max(n), -1) + 1 as told from step_events where run_id = $1 and seq = $2',
    [run.key, place.seq],
  )
  return row?.told ?? 0
}
