import { batched } from '../../lib/batch.ts'
import type { StepStatus } from '../../model/workflows/workflow.ts'
import type { Queries } from '../../store/database/database.ts'
import { bigint, bool, int, moment, orNull, query, type Row, text, textOf } from '../../store/database/table.ts'
import { branchStateAfter, indexOfRecorded, newBranchState, settle, steeringPattern } from '../program/branch-state.ts'
import type { Program } from '../program/program.ts'
import type { LiveRun } from './live-run.ts'

/** Position of a run: the part of a LiveRun that its records determine. */
export type RunPosition = Pick<
  LiveRun,
  'next' | 'seq' | 'attempt' | 'started' | 'branchState' | 'begun' | 'workMs' | 'failure'
>

/** Columns of the newest record of a run. */
export const lastRecord = {
  seq: orNull(int),
  step_ended: orNull(bool),
  waiting: orNull(bool),
  attempt: orNull(int),
  started_at: orNull(moment),
  work_ms: orNull(bigint),
}
/** Newest record of a run. */
type LastRecord = Row<typeof lastRecord>

const positionRecord = {
  seq: int,
  name: text,
  status: textOf<StepStatus>(),
  ended: bool,
  waiting: bool,
  attempt: int,
  started_at: moment,
  work_ms: bigint,
  outputs: orNull(text),
  error: orNull(text),
}
/** A record of a run with branches, loops or parallel steps, with the outputs that steer it. */
export type PositionRecord = Row<typeof positionRecord>

const positionRecords = query(
  'position_records',
  { ...positionRecord, run_id: text },
  `select s.run_id, s.seq, s.name, s.status, s.ended_at is not null as ended, s.wake_at is not null as waiting,
         s.attempt, s.started_at, s.work_ms, case when s.name ~ w.pattern then s.outputs end as outputs,
         case when s.status = 'failed' then s.error end as error
       from unnest($1::text[], $2::text[]) w(run_id, pattern) join steps s on s.run_id = w.run_id
       order by s.run_id, s.seq`,
  (runKeys: string[], patterns: string[]) => [runKeys, patterns],
)

/** Reads all records of runs; concurrent resumes share a query. */
export const makePositionReader = (
  database: Queries,
): ((runKey: string, program: Program) => Promise<PositionRecord[]>) => {
  const read = batched(async (wanted: { runKey: string; pattern: string }[]): Promise<PositionRecord[][]> => {
    const rows = await positionRecords(
      database,
      wanted.map(({ runKey }) => runKey),
      wanted.map(({ pattern }) => pattern),
    )
    const byRun = new Map<string, PositionRecord[]>(wanted.map(({ runKey }) => [runKey, []]))
    for (const row of rows) byRun.get(row.run_id)?.push(row)
    return wanted.map(({ runKey }) => byRun.get(runKey) ?? [])
  }, 50)
  return (runKey, program) => read({ runKey, pattern: steeringPattern(program) })
}

const attemptAfter = ({ attempt, waiting }: Pick<PositionRecord, 'attempt' | 'waiting'>): number =>
  attempt + (waiting ? 0 : 1)

/** Position in a sequential program: the newest record determines it. */
export const plainPosition = (last: LastRecord): RunPosition => {
  const { seq, attempt, waiting, started_at: started, work_ms: workMs } = last
  const isBegun = seq !== null && !last.step_ended
  const next = seq === null ? 0 : isBegun ? seq : seq + 1
  return {
    next,
    seq: next,
    attempt: isBegun ? attemptAfter({ attempt: attempt ?? 1, waiting: waiting ?? false }) : 1,
    started: isBegun ? (started ?? undefined) : undefined,
    branchState: undefined,
    begun: undefined,
    workMs: workMs ?? 0,
    failure: undefined,
  }
}

/** Position in a program with branches and loops. */
export const steeredPosition = (program: Program, records: PositionRecord[]): RunPosition => {
  const last = records.at(-1)
  const isBegun = last !== undefined && !last.ended
  const { branchState, next } = branchStateAfter(program, isBegun ? records.slice(0, -1) : records)
  return {
    next,
    seq: isBegun ? last.seq : records.length,
    attempt: isBegun ? attemptAfter(last) : 1,
    started: isBegun ? last.started_at : undefined,
    branchState,
    begun: undefined,
    workMs: last?.work_ms ?? 0,
    failure: undefined,
  }
}

/** Position in a parallel program, where several steps may have been under way. */
export const parallelPosition = (program: Program, records: PositionRecord[]): RunPosition => {
  const branchState = newBranchState()
  const begun: NonNullable<LiveRun['begun']> = new Map()
  let failure: LiveRun['failure']
  for (const record of records) {
    const step = program.steps[indexOfRecorded(program, record.name)]
    if (!step) continue
    if (!record.ended) begun.set(step.index, { attempt: attemptAfter(record), started: record.started_at })
    else if (record.status === 'failed' && !step.options.continueOnError) failure ??= failureOf(record)
    else if (record.status !== 'cancelled') settle(branchState, step, record)
  }
  const workMs = records.reduce((most, { work_ms }) => Math.max(most, work_ms), 0)
  return { next: 0, seq: 0, attempt: 1, started: undefined, branchState, begun, workMs, failure }
}

const failureOf = ({ name, error }: PositionRecord): LiveRun['failure'] => ({
  name,
  message: (JSON.parse(error ?? '{}') as { message?: string }).message ?? '',
})
