import { now } from '../../lib/time.ts'
import type { RunStatus } from '../../model/workflows/workflow.ts'
import type { EngineContext, LiveRun, Place } from '../context.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import type { Program } from '../program/program.ts'
import { placeInOrder, placeSideBySide } from '../runs/place.ts'
import { type LastRecord, parallelStanding, plainStanding, type Standing, steeredStanding } from '../runs/standing.ts'
import { refusalSentence } from '../start/refusal.ts'
import { failureText, rowOf } from '../steps/step-record.ts'
import { endAllBelow } from './requests.ts'

/** A run that has not ended, as whoever takes its lease finds it. */
export interface OpenRun extends LastRecord {
  id: string
  lease: string
  trajectory_id: string
  collection_id: number
  task_id: number
  name: string
  definition: string
  /** Null where it is too large to be read with the others. */
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

const standingOf = async (engine: EngineContext, program: Program, open: OpenRun): Promise<Standing> => {
  if (!program.isSteered && !program.isParallel) return plainStanding(open)
  const records = await engine.standingRecords(open.id, program)
  return program.isParallel ? parallelStanding(program, records) : steeredStanding(program, records)
}

const initParamsOf = async ({ database }: EngineContext, { id }: OpenRun): Promise<string> => {
  const text = 'select init_params from runs where id = $1'
  const [row] = await database.rows<{ init_params: string | null }>('init_params_of', text, [id])
  return row?.init_params ?? '{}'
}

/** The run in memory, where it stands. */
export const toLiveRun = async (engine: EngineContext, open: OpenRun): Promise<LiveRun> => {
  const [collection = '', task = ''] = open.name.split('/')
  const program = await engine.programs.of(open.definition)
  return {
    key: open.id,
    trajectoryId: open.trajectory_id,
    collectionId: open.collection_id,
    taskId: open.task_id,
    collection,
    task,
    author: open.author,
    program,
    initParams: JSON.parse(open.init_params ?? (await initParamsOf(engine, open))),
    heldBytes: 0,
    environment: await engine.environments.of(open.environment_id, open.sealed_secrets, open.id),
    depth: open.depth,
    replayOf: open.replay_of,
    refusal: open.refusal === null ? null : refusalSentence(open.refusal),
    pending: open.status === 'pending',
    ...(await standingOf(engine, program, open)),
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
 * Fails a run that has taken its process with it too often, after those that it has started. Of steps side by side nobody
 * knows which one it was.
 */
export const giveUp = async (engine: EngineContext, lease: LeaseRef, open: OpenRun): Promise<'failed' | 'released'> => {
  const run = await toLiveRun(engine, open)
  if (!(await endAllBelow(engine, lease, run))) return 'released'
  const { collectionId } = run
  const [first, ...others] = openPlaces(run)
  const name = first?.name ?? 'unknown'
  const message = `The process died ${open.deaths} times at step '${name}'; the run is not tried again`
  const error = JSON.stringify({ code: 'process_died', message, retryable: false, hint: null, cause: null })
  const endedMs = now()
  const end = { runKey: run.key, status: 'failed' as const, error: failureText(run, { name, message }), endedMs }
  const closed = others.map((place) =>
    engine.journal.add({ lease, collectionId, step: { ...rowOf(run, place), status: 'cancelled', endedMs } }),
  )
  const step = first && {
    ...rowOf(run, first),
    attempt: open.attempt ?? open.deaths,
    status: 'failed' as const,
    error,
    endedMs,
  }
  await Promise.all([engine.journal.add({ lease, collectionId, ...(step && { step }), end }), ...closed])
  engine.onEnd(run.key)
  return 'failed'
}

const openPlaces = (run: LiveRun): Place[] => {
  const { steps, isParallel } = run.program
  if (!isParallel) return steps.slice(run.next, run.next + 1).map((step) => placeInOrder(run, step))
  const begun = steps.filter(({ index }) => run.begun?.has(index))
  const next = steps.filter(({ index }) => !run.course?.latest.has(index)).slice(0, 1)
  return (begun.length > 0 ? begun : next).map((step) => placeSideBySide(run, step))
}
