import type { Database } from '../../database/database.ts'
import type { Engine, RunRequest } from '../../engine/engine.ts'
import type { AnyCall, Call } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { newRunKey } from '../../lib/ids.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { authorOf } from '../../model/collections/identity.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import { currentEnvironment } from '../../store/collections/environments.ts'
import type { Borrower, Lending, Loan } from '../../store/collections/lending.ts'
import { filesOfRun } from '../../store/files/files.ts'
import { claimKey, findClaim, fingerprintOf } from '../../store/idempotency.ts'
import { findRunByKey, type RunRow } from '../../store/runs/runs.ts'
import { webhookOf } from '../webhooks/check-url.ts'
import type { runsContract } from './contract.ts'
import { withResolvedFiles } from './file-paths.ts'
import { checkParameters } from './parameters.ts'
import { asAccepted, asFirstAnswered, exactlyOnce } from './start-once.ts'

export interface StartDeps {
  database: Database
  engine: Engine
  sealer: Sealer
  lending: Lending
  settings: { maxInitParamsBytes: number; allowPrivateNetwork: string[] }
}

export type RunCall = Call<(typeof runsContract)['runTask' | 'runTaskSync']>

/** A run that is asked for. */
export interface Asking {
  call: Pick<AnyCall, 'idempotencyScope' | 'signal'>
  /** All that must be the same where the Idempotency-Key is. */
  sent: unknown
  useTrialKeys: boolean
  /** What is to be run; throws where it is refused. */
  prepare(): Promise<RunRequest>
  /** It is on disk, or may be. */
  started?(): void
  /** Somebody has started it before. */
  found?(run: RunRow): Promise<void>
}

/**
 * Starts the run that is asked for, or finds the one that its Idempotency-Key has started already, and gives its row as
 * it was when it was accepted. What is refused uses up no key.
 */
export const startAsked = async (deps: StartDeps, asking: Asking): Promise<RunRow> => {
  const { database, engine, sealer, lending } = deps
  const key = newRunKey()
  const scope = asking.call.idempotencyScope
  if (scope === undefined) return startOnce(deps, asking, { ...(await asking.prepare()), key }, true)
  const claim = { scope, fingerprint: fingerprintOf(asking.sent), runKey: key }
  // Looked for before the request is checked: what it names may be gone by now.
  const earlier = (await findClaim(database, sealer, claim))?.runKey
  const run = earlier ? await findRunByKey(database, earlier) : undefined
  if (run) return firstAnswer(deps, asking, run)
  const request = await asking.prepare()
  // What is refused claims no key; a run that was to begin before may have its place in the trial already.
  const isChecked = !earlier
  const lent =
    isChecked && asking.useTrialKeys ? await lending.check(await borrowerOf(engine, { ...request, key })) : []
  const refusal = isChecked ? await engine.checkStart({ ...request, lent }) : undefined
  const { runKey, isNew } = await claimKey(database, sealer, claim)
  return startOnce(deps, asking, { ...request, key: runKey ?? key, isChecked, refusal }, isNew)
}

/** The same for the run that a form asks for, with the files that came with it. */
export const startOf = (deps: StartDeps, call: RunCall): Promise<RunRow> => {
  const { body, files } = call
  return startAsked(deps, {
    call,
    sent: [body, files.map(({ name, sha256 }) => [name, sha256])],
    useTrialKeys: body.use_trial_keys,
    prepare: () => requestOf(deps, call),
    started: call.keepFiles,
    found: (there) => keepOwnFiles(deps.database, there, call),
  })
}

const requestOf = async ({ database, settings }: StartDeps, call: RunCall): Promise<RunRequest> => {
  const { collection, task, params, body, files, identity } = call
  if (!task) throw new AppError('not_found', `Task '${params.task}' in collection '${collection.name}' not found`)
  // Files may take long to arrive: the version of before may be gone, and its collection too.
  const environmentId = files.length > 0 ? await currentEnvironment(database, collection.id) : task.environment_id
  if (environmentId === undefined) throw new AppError('not_found', 'Collection not found')
  checkParameters(body, files.length > 0, settings.maxInitParamsBytes)
  const webhook = webhookOf(body, settings.allowPrivateNetwork, collection)
  return {
    collection: { id: collection.id, name: collection.name, environmentId },
    task,
    initParams: await withResolvedFiles(database, collection, body.init_params),
    secrets: body.secret_params,
    files: files.map((file) => ({ ...file, contentType: file.content_type })),
    author: authorOf(identity),
    ...(webhook && { webhook }),
    unservable: refusesUnservable(call) ? 'refuse' : 'record',
  }
}

const startOnce = (
  deps: StartDeps,
  asking: Asking,
  request: RunRequest & { key: string },
  isNew: boolean,
): Promise<RunRow> =>
  exactlyOnce({
    database: deps.database,
    key: request.key,
    isNew,
    signal: asking.call.signal,
    async found(there) {
      await asking.found?.(there)
      return firstAnswer(deps, asking, there)
    },
    async start() {
      const loan = asking.useTrialKeys ? await deps.lending.reserve(await borrowerOf(deps.engine, request)) : undefined
      try {
        const started = await deps.engine.start({ ...request, lent: loan?.lent ?? [] })
        asking.started?.()
        if (loan && started.more?.refusal) await deps.lending.release(request.key)
        return { ...asAccepted(started), ...(started.more?.refusal ? {} : trialOf(loan)) }
      } catch (error) {
        if (loan && asking.call.idempotencyScope === undefined) await giveBack(deps, request.key, error)
        // Postgres went away with the answer: the run may be there, and then it needs its files.
        if (error instanceof AppError && error.code === 'database_unavailable') asking.started?.()
        throw error
      }
    },
  })

/** What was sent with a repetition goes, unless the run has these very files: then it was this call that started it. */
const keepOwnFiles = async (database: Database, run: RunRow, { files, keepFiles }: RunCall): Promise<void> => {
  const [first] = files
  if (first && (await filesOfRun(database, run.id)).some(({ object }) => object === first.object)) keepFiles()
}

export const borrowerOf = async (
  engine: Engine,
  { collection, task, secrets, key }: Pick<RunRequest, 'collection' | 'task' | 'secrets'> & { key: string },
): Promise<Borrower> => ({
  collectionId: collection.id,
  environmentId: collection.environmentId,
  secrets,
  runKey: key,
  asksNoModel: !(await engine.mayAskModels(task.definition)),
})

const trialOf = (loan: Pick<Loan, 'trial'> | undefined): Pick<RunRow, 'trial'> => (loan ? { trial: loan.trial } : {})

/**
 * The place in the trial of a run that was refused. With an Idempotency-Key it is kept for the repetition, and swept
 * where none comes; so is that of a run which may be there, as Postgres went away with the answer.
 */
const giveBack = async ({ lending }: StartDeps, runKey: string, error: unknown): Promise<void> => {
  if (error instanceof AppError && error.code === 'database_unavailable') return
  await lending.release(runKey).catch(() => {}) // the sweep does it then
}

const firstAnswer = async ({ lending }: StartDeps, { useTrialKeys }: Asking, run: RunRow): Promise<RunRow> => {
  const trial = useTrialKeys ? await lending.leftAfter(run.id) : undefined
  return { ...asFirstAnswered(run), ...trialOf(trial && { trial }) }
}
