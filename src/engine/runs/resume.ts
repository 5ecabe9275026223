import { now } from '../../lib/time.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { Queries } from '../../store/database/database.ts'
import type { Environments } from '../environment/environments.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import type { Program } from '../program/program.ts'
import type { Programs } from '../program/programs.ts'
import { failureText, rowOf } from '../steps/step-record.ts'
import type { StepPlace } from '../steps/step-run.ts'
import type { LiveRun } from './live-run.ts'
import { placeInOrder, placeSideBySide } from './place.ts'
import { refusalSentence } from './refusal.ts'
import type { RunDeps } from './run-deps.ts'
import {
  type LastRecord,
  parallelStanding,
  plainStanding,
  type Standing,
  type StandingRecord,
  steeredStanding,
} from './standing.ts'

/** Loads runs that have not ended. */
export interface ResumeDeps extends RunDeps {
  database: Queries
  programs: Pick<Programs, 'of'>
  environments: Pick<Environments, 'of'>
  /** Reads all records of a run that has branches, loops, or steps side by side. */
  standingRecords(runKey: string, program: Program): Promise<StandingRecord[]>
}

/** The row of a run that has not ended, as the new owner of its lease reads it. */
export interface OpenRun extends LastRecord {
  id: string
  lease: string
  trajectory_id: string
  collection_id: number
  /** Who pays for the collection: see `Owner`. */
  payer: number
  task_id: number
  name: string
  definition: string
  /** Null if it is too large to be read together with others: its steps read it. */
  init_params: string | null
  init_params_bytes: number
  author: string
  environment_id: number | null
  sealed_secrets: string | null
  status: RunStatus
  requested_status: LiveRun['requested'] | null
  depth: number
  replay_of: string | null
  refusal: string | null
  deaths: number
}

const standingOf = async (deps: ResumeDeps, program: Program, open: OpenRun): Promise<Standing> => {
  if (!program.isSteered && !program.isParallel) return plainStanding(open)
  const records = await deps.standingRecords(open.id, program)
  return program.isParallel ? parallelStanding(program, records) : steeredStanding(program, records)
}

/** Makes a run in memory that continues after its records. */
export const toLiveRun = async (deps: ResumeDeps, open: OpenRun): Promise<LiveRun> => {
  const [collection = '', task = ''] = open.name.split('/')
  const program = await deps.programs.of(open.definition)
  return {
    key: open.id,
    trajectoryId: open.trajectory_id,
    collectionId: open.collection_id,
    payer: open.payer,
    taskId: open.task_id,
    collection,
    task,
    author: open.author,
    program,
    initParams:
      open.init_params_bytes > 0 && open.init_params === null ? undefined : JSON.parse(open.init_params ?? '{}'),
    initParamsBytes: open.init_params_bytes,
    heldBytes: 0,
    environment: await deps.environments.of(open.environment_id, open.sealed_secrets, open.id, program.callbackSteps),
    depth: open.depth,
    replayOf: open.replay_of,
    refusal: open.refusal === null ? null : refusalSentence(open.refusal),
    pending: open.status === 'pending',
    ...(await standingOf(deps, program, open)),
    underWay: 0,
    working: 0,
    workedUntilMs: 0,
    deaths: open.deaths,
    results: new Map(),
    requested: open.requested_status ?? undefined,
    interrupts: new Set(),
  }
}

/**
 * Fails a run at whose step the process has died too often, after its child runs. Of steps side by side it is unknown
 * which one killed the process: the first is named. Returns `released` if the process stops first.
 */
export const giveUp = async (deps: ResumeDeps, lease: LeaseRef, open: OpenRun): Promise<'failed' | 'released'> => {
  const run = await toLiveRun(deps, open)
  if (!(await deps.endAllBelow(lease, run))) return 'released'
  const [first, ...others] = openPlaces(run)
  const name = first?.name ?? 'unknown'
  const message = `The process died ${open.deaths} times at step '${name}'; the run is not tried again`
  const error = JSON.stringify({ code: 'process_died', message, retryable: false, hint: null, cause: null })
  const endedMs = now()
  const end = { runKey: run.key, status: 'failed' as const, error: failureText(run, { name, message }), endedMs }
  const closed = others.map((place) =>
    deps.journal.add({ lease, owner: run, step: { ...rowOf(run, place), status: 'cancelled', endedMs } }),
  )
  const step = first && {
    ...rowOf(run, first),
    attempt: open.attempt ?? open.deaths,
    status: 'failed' as const,
    error,
    endedMs,
  }
  await Promise.all([deps.journal.add({ lease, owner: run, ...(step && { step }), end }), ...closed])
  deps.onEnd(run.key)
  return 'failed'
}

const openPlaces = (run: LiveRun): StepPlace[] => {
  const { steps, isParallel } = run.program
  if (!isParallel) return steps.slice(run.next, run.next + 1).map((step) => placeInOrder(run, step))
  const begun = steps.filter(({ index }) => run.begun?.has(index))
  const next = steps.filter(({ index }) => !run.course?.latest.has(index)).slice(0, 1)
  return (begun.length > 0 ? begun : next).map((step) => placeSideBySide(run, step))
}
