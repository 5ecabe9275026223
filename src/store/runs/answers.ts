import { int, query, text } from '../database/table.ts'

/**
 * CTE `run` of an answer: locks the row of the open run `$1`. Parking takes the same lock, so whichever comes second sees
 * what the first wrote to that row; of any other row its snapshot would show the past.
 */
export const lockedRun =
  'run as materialized (select id from runs where id = $1 and ended_at is null for no key update)'

/** CTE `woken`: wakes the runs of answered steps, wherever they wait, and notes in their rows which step was answered last. */
export const wakeRunsOf = (answered: string): string => `woken as (
  update runs r set decided_seq = s.seq, wake_at = case when r.lease is null then now() else r.wake_at end
  from ${answered} s where r.id = s.run_id and r.ended_at is null
  returning r.lease is null as parked, pg_notify(channel('answers'), r.id || ' ' || s.seq))`

/**
 * CTEs that withdraw what steps of ended runs have asked people and senders for. Jobs are left: their workers learn with the
 * next heartbeat that the run has ended.
 */
export const withdrawnOf = (ended: string): string => `withdrawn as (
  delete from approvals a using ${ended} r where a.run_id = r.id and a.decision is null),
unasked as (
  delete from event_waits w using ${ended} r where w.run_id = r.id and w.outcome is null)`

/** Tables of what steps ask, each with the column that says that the answer is there. */
const answerColumns = { approvals: 'decision', event_waits: 'outcome', worker_jobs: 'settled_at' }
/** A step may have several calls in batches: it waits for all. */
export type AskedTable = keyof typeof answerColumns | 'batched_calls'

const batchedCallsAnswered = `select w.run_id, w.seq from unnest($1::text[], $2::int[], $3::text[]) w(run_id, seq, asked)
     where w.asked = 'batched_calls' and not exists (
       select from batched_calls a where a.run_id = w.run_id and a.seq = w.seq and a.settled_at is null)`

const answeredIn = ([asked, column]: [string, string]): string =>
  `select a.run_id, a.seq from unnest($1::text[], $2::int[], $3::text[]) w(run_id, seq, asked)
     join ${asked} a on a.run_id = w.run_id and a.seq = w.seq where w.asked = '${asked}' and a.${column} is not null`

/** Which of the steps have their answer: a decision, an event or the end of its time, a settled job. */
export const answeredSteps = query(
  'answered_steps',
  { run_id: text, seq: int },
  [...Object.entries(answerColumns).map(answeredIn), batchedCallsAnswered].join(' union all '),
  (steps: readonly { runKey: string; seq: number; asked: AskedTable }[]) => [
    steps.map(({ runKey }) => runKey),
    steps.map(({ seq }) => seq),
    steps.map(({ asked }) => asked),
  ],
)
