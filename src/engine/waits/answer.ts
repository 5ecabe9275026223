import { longestTimerMs, now } from '../../lib/time.ts'
import type { StepLog } from '../../model/runs/step.ts'
import type { Queries } from '../../store/database/database.ts'
import { type AskedTable, answeredSteps } from '../../store/runs/answers.ts'
import type { Journal } from '../journal/journal.ts'
import { Interrupted } from '../steps/execute.ts'
import type { StepAtWork } from '../steps/step-at-work.ts'
import { usageText, warningsText } from '../steps/step-record.ts'
import { type StepSide, tellOnce } from '../steps/step-side.ts'

/** A step that waits in memory. */
interface WatchedStep {
  runKey: string
  seq: number
  /** Where its answer will be; undefined: it waits for a time alone. */
  asked: AskedTable | undefined
  /** Whether its run leaves memory now. */
  isToPark(): boolean
  /** Called once: the answer is there, or the run leaves memory. */
  tell(news: 'again' | 'park'): void
}

/** The waiting steps of this process. One query looks for the answers of all. */
export interface Watches {
  /** Returns the function that stops the watch. */
  watch(step: WatchedStep): () => void
  /** Takes a notification: the place of an answered step, or an empty text when notifications may have been lost. */
  hear(place: string): void
  /** Looks which of them need not wait in memory any more. */
  look(): Promise<void>
}

export const makeWatches = (database: Queries): Watches => {
  const watched = new Map<string, WatchedStep>()
  const tell = (place: string, news: 'again' | 'park') => {
    watched.get(place)?.tell(news)
    watched.delete(place)
  }
  const look = async () => {
    const parking = [...watched].filter(([, step]) => step.isToPark())
    const asking = [...watched.values()].flatMap(({ runKey, seq, asked }) => (asked ? [{ runKey, seq, asked }] : []))
    const answered = asking.length > 0 ? await answeredSteps(database, asking) : []
    for (const { run_id, seq } of answered) tell(`${run_id} ${seq}`, 'again')
    // Only now: a run's row names the last answered step, and parking would miss an earlier answer that nobody heard.
    for (const [place, step] of parking) if (watched.get(place) === step && step.isToPark()) tell(place, 'park')
  }
  return {
    watch(step) {
      const place = `${step.runKey} ${step.seq}`
      watched.set(place, step)
      return () => {
        if (watched.get(place) === step) watched.delete(place)
      }
    },
    hear(place) {
      if (place === '')
        void look().catch(() => {}) // the next look is a second away
      else tell(place, 'again')
    },
    look,
  }
}

export interface AnswerDeps {
  database: Queries
  journal: Pick<Journal, 'add'>
  watches: Pick<Watches, 'watch'>
  /** Fires when the process stops taking steps. */
  stopping: AbortSignal
}

interface Wait {
  /** When the wait ends without an answer; undefined: never. */
  dueMs?: number | undefined
  /** Whether the rest of the wait is worth it that the run leaves memory and is taken up again. */
  isLong?(): boolean
  /** undefined: it waits for a time alone. */
  asked?: Asked
}

/** What a step has asked. */
interface Asked {
  table: AskedTable
  /** Removes it while it is open. */
  withdraw(): Promise<unknown>
}

/** Due time of a wait without end. A waiting step always has one, so that no death is counted for it. */
const farAwayMs = Date.UTC(9999, 0)
/** A longer wait for a time is recorded at once: after a kill its end counts from the recorded start. */
const briefMs = 100

/**
 * Waits for an answer from outside or for a time, without a slot. The run leaves memory once no other step of it executes
 * or waits here. `again`: the answer is there, or the time is over. The other results mean that the run has left this
 * process.
 */
export const waitForAnswer = async (
  deps: AnswerDeps,
  work: StepAtWork,
  { dueMs, isLong = () => true, asked }: Wait,
): Promise<'again' | 'parked' | 'released'> => {
  const { run, row, startRow } = work
  const left = () => (dueMs ?? farAwayMs) - now()
  row.wakeMs = dueMs ?? farAwayMs
  const isToPark = () => run.underWay <= 1 && isLong()
  if (isToPark()) return park(deps, work, dueMs ?? null)
  if (dueMs === undefined) startRow.writeSoon()
  else if (asked)
    await startRow.write() // throws if another process has the run, whose step would be late here for ever
  else if (left() > briefMs) void startRow.write().catch(() => {})
  let end = (_outcome: 'again' | 'park' | 'interrupted') => {}
  const over = new Promise<'again' | 'park' | 'interrupted'>((resolve) => {
    end = resolve
  })
  const unwatch = deps.watches.watch({ runKey: run.key, seq: row.seq, asked: asked?.table, isToPark, tell: end })
  let timer: NodeJS.Timeout | undefined
  const ring = () => {
    if (left() <= 0) end('again')
    else timer = setTimeout(ring, Math.min(left(), longestTimerMs))
  }
  if (dueMs !== undefined) ring()
  const interrupt = () => end('interrupted')
  run.interrupts.add(interrupt)
  if (run.requested || run.failure || deps.stopping.aborted) interrupt()
  const outcome = await over
  clearTimeout(timer)
  startRow.cancel()
  run.interrupts.delete(interrupt)
  unwatch()
  if (outcome === 'again') return 'again'
  if (outcome === 'park') return park(deps, work, dueMs ?? null)
  if (!run.requested && !run.failure) return 'released'
  await asked?.withdraw()
  throw new Interrupted(row.name)
}

/** Records the wait of a step. The run leaves memory until it is woken. */
const park = async ({ journal }: AnswerDeps, work: StepAtWork, wakeMs: number | null): Promise<'parked'> => {
  const { lease, run, row, side } = work
  row.warnings = warningsText(run, side)
  row.usage = usageText(side)
  await journal.add({ lease, owner: run, step: row, park: { runKey: run.key, seq: row.seq, wakeMs } })
  return 'parked'
}

/** The row in which a step asks somebody outside, and gets its answer. */
export interface AskedRow<Row> extends Asked {
  find(): Promise<Row | undefined>
  isOpen(row: Row): boolean
  /** Ends the wait without an answer; undefined when it is over already. */
  expire(): Promise<Row | undefined>
  /** Log messages: that the wait began, and how it ended. */
  messages(row: Row): StepLog[]
}

/**
 * Reads an answer; undefined while the step may still wait. The end of its time is written in the same row as an answer
 * would be, so an answer of that moment comes either before or after it. Adds it to the log of the step.
 */
export const readAnswer = async <Row>(asked: AskedRow<Row>, side: StepSide, due: Date | null) => {
  let row = await asked.find()
  const isOver = row && asked.isOpen(row) && due !== null && due.getTime() <= now()
  if (isOver) row = (await asked.expire()) ?? (await asked.find()) // an answer was quicker
  if (!row) return undefined
  tellOnce(side, asked.messages(row))
  return asked.isOpen(row) ? undefined : row
}

/** Waits for the answer to what a step has asked. */
export const waitForRow = async <Row>(
  deps: AnswerDeps,
  work: StepAtWork,
  asked: AskedRow<Row>,
  due: Date | null,
): Promise<'again' | 'parked' | 'released'> => {
  const row = await asked.find()
  if (row) tellOnce(work.side, asked.messages(row))
  if (row && !asked.isOpen(row)) return 'again'
  return waitForAnswer(deps, work, { dueMs: due?.getTime(), asked })
}
