import type { Scrubber } from '../../lib/secrets/scrub.ts'
import { now } from '../../lib/time.ts'
import type { NewAgentEvent } from '../../model/runbooks/runbook-run.ts'
import type { Queries } from '../../store/database/database.ts'
import { int, queryOne } from '../../store/database/table.ts'
import type { Journal } from '../journal/journal.ts'
import type { EventRow } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import type { StepAtWork } from '../steps/step-at-work.ts'

const mostBytes = 64 * 1024
/** Maximum characters of each text in an event that is too large; tried in order. */
const textLengths = [16 * 1024, 4 * 1024, 512]

/**
 * Serializes an event without secrets, with shortened texts if it is too large. Scrubs before cutting: half a secret
 * would not be found.
 */
export const fitEvent = (event: NewAgentEvent, scrub: Scrubber): string => {
  const text = scrub.json(event)
  if (isSmall(text)) return text
  const whole = JSON.parse(text) as NewAgentEvent
  for (const length of textLengths) {
    const shorter = JSON.stringify(shorten(whole, length))
    if (isSmall(shorter)) return shorter
  }
  // For many small values, such as the edits of a large file.
  const flat = Object.entries(whole).map(([name, value]) => [
    name,
    typeof value === 'object' ? JSON.stringify(value) : value,
  ])
  return JSON.stringify(shorten(Object.fromEntries(flat), 4 * 1024))
}

const isSmall = (text: string): boolean => text.length <= mostBytes / 3 || Buffer.byteLength(text) <= mostBytes

const shorten = (value: unknown, length: number): unknown => {
  if (typeof value === 'string') return cut(value, length)
  if (Array.isArray(value)) return value.map((item) => shorten(item, length))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [cut(name, length), shorten(item, length)]))
}

const cut = (text: string, length: number): string => {
  if (text.length <= length) return text
  const kept = text.slice(0, length).replace(/[\uD800-\uDBFF]$/, '') // no lone surrogate
  return `${kept}… (${text.length - kept.length} more characters)`
}

export interface EventLogDeps {
  database: Queries
  journal: Pick<Journal, 'add'>
  limits: { /** Events of one runbook that are kept. */ runbookEvents: number }
}

/** Records the events of an agent while it works. */
interface EventLog {
  add(event: NewAgentEvent): void
  /** Takes no more events. Resolves when all are on disk. Throws Fenced. */
  close(): Promise<void>
}

/** Longest delay of an event. */
const flushMs = 200
/** A batch of this size is written without the delay. */
const batchEvents = 100
const batchBytes = 256 * 1024
/** Above this size of waiting events, as during an outage of Postgres, only phases, errors and the end are accepted. */
const waitingBytes = 4 * 1024 * 1024
/** Memory of a waiting event beside its text. */
const rowBytes = 128
/** Phases and errors that are accepted beyond the limit of events. */
const mostEssential = 1_000

const isEssential = ({ type }: NewAgentEvent): boolean => type === 'phase' || type === 'error' || type === 'end'

/** Opens the event log of a step. Events are numbered on from those of earlier attempts. */
export const openEventLog = async (
  { database, journal, limits: { runbookEvents } }: EventLogDeps,
  { lease, run, place }: StepAtWork,
  onFenced: (fenced: Fenced) => void,
): Promise<EventLog> => {
  let next = await eventsRecorded(database, run.key, place.seq)
  let waiting: EventRow[] = []
  let bytes = 0
  let leftOut = 0
  let hasWarned = next > runbookEvents
  let isClosed = false
  let failure: { error: unknown } | undefined
  let sending: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined

  const send = async (): Promise<void> => {
    await null // events of the same tick share the first write
    while (waiting.length > 0 && !failure) {
      const rows = waiting
      waiting = []
      bytes = 0
      await journal.add({ lease, owner: run, events: { runKey: run.key, seq: place.seq, rows } }).catch((error) => {
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
    bytes += text.length + rowBytes
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

const recordedEvents = queryOne(
  'events_recorded',
  { recorded: int },
  'select coalesce(max(n), -1) + 1 as recorded from step_events where run_id = $1 and seq = $2',
  (runKey: string, seq: number) => [runKey, seq],
)

/** Counts the events that a step has recorded. */
const eventsRecorded = async (database: Queries, runKey: string, seq: number): Promise<number> => {
  const row = await recordedEvents(database, runKey, seq)
  return row?.recorded ?? 0
}
