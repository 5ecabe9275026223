import type { Database } from '../../database/database.ts'
import { type Engine, RunExists, type RunRequest, type StartedRun } from '../../engine/engine.ts'
import type { AnyCall } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { newRunKey } from '../../lib/ids.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { pause } from '../../lib/time.ts'
import { claimKey, findClaim, fingerprintOf } from '../../store/idempotency.ts'
import { findRunByKey, type RunRow } from '../../store/runs/runs.ts'

const lookAgainMs = 20
const longestWaitMs = 30_000

interface Once<Answer> {
  database: Database
  key: string
  /** Nobody can have started it yet. */
  isNew: boolean
  signal: AbortSignal
  /** Starts the run; throws RunExists where somebody else does. */
  start(): Promise<Answer>
  found(run: RunRow): Promise<Answer>
}

/**
 * Exactly one run has the key, whoever starts it: another call with it at the same time, this one, or, when a process
 * has died between the claim and the run, the repetition of the call.
 */
export const exactlyOnce = async <Answer>({
  database,
  key,
  isNew,
  signal,
  start,
  found,
}: Once<Answer>): Promise<Answer> => {
  const giveUpAt = performance.now() + longestWaitMs
  for (let look = !isNew; ; look = true) {
    const there = look ? await findRunByKey(database, key) : undefined
    if (there) return found(there)
    try {
      return await start()
    } catch (error) {
      if (!(error instanceof RunExists)) throw error
    }
    if (performance.now() > giveUpAt || !(await pause(lookAgainMs, signal))) {
      throw new AppError('busy', 'Another request with this Idempotency-Key is still starting its run', {
        hint: 'Repeat the request in a moment.',
        retryAfterSeconds: 1,
      })
    }
  }
}

/**
 * Starts the run that `prepare` asks for, or finds the one that the call's Idempotency-Key has started already. It is
 * looked for before anything is prepared: what the request names may be gone by now. What is refused uses up no key.
 * `sent`: all that must be the same where the key is.
 */
export const startPrepared = async (
  { database, sealer, engine }: { database: Database; sealer: Sealer; engine: Engine },
  { idempotencyScope: scope, signal }: Pick<AnyCall, 'idempotencyScope' | 'signal'>,
  sent: unknown,
  prepare: () => Promise<RunRequest>,
): Promise<RunRow> => {
  const key = newRunKey()
  if (scope === undefined) return asAccepted(await engine.start({ ...(await prepare()), key }))
  const claim = { scope, fingerprint: fingerprintOf(sent), runKey: key }
  const earlier = (await findClaim(database, sealer, claim))?.runKey
  const run = earlier ? await findRunByKey(database, earlier) : undefined
  if (run) return asFirstAnswered(run)
  const request = await prepare()
  const refusal = await engine.checkStart(request)
  const { runKey, isNew } = await claimKey(database, sealer, claim)
  const claimed = runKey ?? key
  return exactlyOnce({
    database,
    key: claimed,
    isNew,
    signal,
    start: async () => asAccepted(await engine.start({ ...request, key: claimed, isChecked: true, refusal })),
    found: async (there) => asFirstAnswered(there),
  })
}

/** The row of a run as it was answered to whoever started it. */
export const asFirstAnswered = (run: RunRow): RunRow => ({
  ...run,
  status: 'pending',
  error: null,
  labels: '[]',
  started_at: null,
  ended_at: null,
})

/** The row of a run at the moment it was accepted: known without asking the database, which may be away by now. */
export const asAccepted = (started: StartedRun): RunRow => ({
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
