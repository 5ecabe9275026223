import { type Engine, RunExists, type RunRequest, type StartedRun } from '../../engine/engine.ts'
import type { AnyCall } from '../../http/implement.ts'
import { AppError, isDatabaseUnavailable } from '../../lib/errors.ts'
import { newRunKey } from '../../lib/ids.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { pause } from '../../lib/time.ts'
import type { Database } from '../../store/database/database.ts'
import { claimKey, findClaim, fingerprintOf } from '../../store/idempotency.ts'
import { findRunByKey, type RunRow } from '../../store/runs/runs.ts'
import type { KeyedRequest, RunTrial } from './run-trial.ts'

/** The row of a run as it was in the first answer to the call that started it. */
const asFirstAnswered = (run: RunRow): RunRow => ({
  ...run,
  status: 'pending',
  error: null,
  labels: '[]',
  started_at: null,
  ended_at: null,
})

/**
 * The row of a run at the moment it was accepted. It makes no query, since the database may have become unavailable.
 */
const asAccepted = (started: StartedRun): RunRow => ({
  id: started.key,
  number: 0,
  trajectory_id: started.trajectoryId,
  workflow_id: started.workflowId,
  collection_id: started.collectionId,
  task_id: started.taskId,
  name: started.name,
  definition: started.shownDefinition ?? started.definition,
  version: started.definition,
  init_params: started.initParams,
  init_params_bytes: started.initParams.length,
  author: started.author,
  recorded_by: started.author,
  status: 'pending',
  error: null,
  labels: '[]',
  params: started.more?.params ?? null,
  ingested: false,
  waiting: null,
  routine_id: started.more?.routine_id ?? null,
  webhook_url: started.more?.webhook_url ?? null,
  refusal: started.more?.refusal ?? null,
  changed: 0,
  created_at: new Date(started.createdMs),
  started_at: null,
  ended_at: null,
})

interface StartOnceDeps {
  database: Database
  engine: Pick<Engine, 'start' | 'checkStart'>
  sealer: Sealer
}

/** A run that a call asks for. */
interface RunToStart {
  call: Pick<AnyCall, 'idempotencyScope' | 'signal'>
  /** Everything that must be the same when the Idempotency-Key is sent again. */
  sent: unknown
  /** Makes the request for the run. Throws what refuses it. */
  prepare(): Promise<RunRequest>
  /** Called with the key of the run right before it is stored, maybe again when the request is repeated. */
  before?(runKey: string): Promise<void>
  /** Present when the server may lend its keys to the run. */
  trial?: RunTrial
  /** Called when the run is on disk, or may be. */
  started?(): void
  /** Called when an earlier call has started the run. */
  found?(run: RunRow): Promise<void>
}

const lookAgainMs = 20
const longestWaitMs = 30_000

const stillStarting = () =>
  new AppError('busy', 'Another request with this Idempotency-Key is still starting its run', {
    hint: 'Repeat the request in a moment.',
    retryAfterSeconds: 1,
  })

/**
 * Starts the run that a call asks for, or finds the one that its Idempotency-Key has started already. Returns the row as
 * it was when the run was accepted. A refused request does not use up its key.
 */
export const startRunOnce = async (deps: StartOnceDeps, asked: RunToStart): Promise<RunRow> => {
  const { database, engine, sealer } = deps
  const key = newRunKey()
  const scope = asked.call.idempotencyScope
  if (scope === undefined) return startOrFind(deps, asked, { ...(await asked.prepare()), key }, true)
  const claim = { scope, fingerprint: fingerprintOf(asked.sent), runKey: key }
  // Looked up before the preparation: files that the request names may have been deleted since the first attempt.
  const earlier = (await findClaim(database, sealer, claim))?.run_key
  const run = earlier ? await findRunByKey(database, earlier) : undefined
  if (run) return firstAnswer(asked, run)
  const request: KeyedRequest = { ...(await asked.prepare()), key }
  if (!earlier) {
    const lent = (await asked.trial?.check(request)) ?? []
    request.refusal = await engine.checkStart({ ...request, lent })
    request.isChecked = true
  } // else the run may be counted for a trial already, and is checked when it starts
  const { run_key: runKey, is_new: isNew } = await claimKey(database, sealer, claim)
  return startOrFind(deps, asked, { ...request, key: runKey ?? key }, isNew)
}

/**
 * Starts the one run of a key. Another call with the same key may be starting it now; or a process died between the claim
 * and the run, and this call starts it. `isNew`: no other call can know the key.
 */
const startOrFind = async (
  deps: StartOnceDeps,
  asked: RunToStart,
  request: KeyedRequest,
  isNew: boolean,
): Promise<RunRow> => {
  const giveUpAt = performance.now() + longestWaitMs
  for (let mayBeThere = !isNew; ; mayBeThere = true) {
    const there = mayBeThere ? await findRunByKey(deps.database, request.key) : undefined
    if (there) {
      await asked.found?.(there)
      return firstAnswer(asked, there)
    }
    try {
      return await start(deps, asked, request)
    } catch (error) {
      if (!(error instanceof RunExists)) throw error
    }
    if (performance.now() > giveUpAt || !(await pause(lookAgainMs, asked.call.signal))) throw stillStarting()
  }
}

const start = async (
  { engine }: StartOnceDeps,
  { call, trial, started, before }: RunToStart,
  request: KeyedRequest,
): Promise<RunRow> => {
  const loan = await trial?.reserve(request)
  try {
    await before?.(request.key)
    const run = await engine.start({ ...request, lent: loan?.lent ?? [] })
    started?.()
    const isRefused = run.more?.refusal !== undefined
    if (loan && isRefused) await trial?.release(request.key)
    return { ...asAccepted(run), ...(loan && !isRefused && { trial: loan.trial }) }
  } catch (error) {
    // Postgres went away with the answer: the run may be there, and then it needs its files and its loan.
    if (isDatabaseUnavailable(error)) started?.()
    // The loan of a request with an Idempotency-Key stays for its repetition. The sweep returns loans that remain.
    else if (loan && call.idempotencyScope === undefined) await trial?.release(request.key).catch(() => {})
    throw error
  }
}

const firstAnswer = async ({ trial }: RunToStart, run: RunRow): Promise<RunRow> => {
  const left = await trial?.leftAfter(run.id)
  return { ...asFirstAnswered(run), ...(left && { trial: left }) }
}
