import { type Engine, RunExists, type RunRequest, type StartedRun } from '../../engine/engine.ts'
import { unknownParameters } from '../../engine/program/unknown-parameters.ts'
import type { AnyCall, Call } from '../../http/implement.ts'
import { type Reply, rawJson } from '../../http/reply.ts'
import { AppError, invalidField, isDatabaseUnavailable } from '../../lib/errors.ts'
import { newRunKey } from '../../lib/ids.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { objectText, WrittenJson } from '../../lib/json/object-text.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { doAtOnce } from '../../lib/slices.ts'
import { readTrace } from '../../lib/text/trace-context.ts'
import { pause, timestamp } from '../../lib/time.ts'
import { authorOf } from '../../model/collections/identity.ts'
import type { TrialLeft } from '../../model/collections/trial.ts'
import type { Label, StartLabel } from '../../model/runs/label.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import type { WorkflowResponse } from '../../model/runs/trajectory.ts'
import type { AskedVersion } from '../../model/version-ref.ts'
import type { Warning } from '../../model/warning.ts'
import type { Economy } from '../../model/workflows/economy.ts'
import { currentEnvironment } from '../../store/collections/environments.ts'
import type { Borrower, Lending, Loan } from '../../store/collections/lending.ts'
import type { Database } from '../../store/database/database.ts'
import { filesOfRun } from '../../store/files/files.ts'
import { claimKey, findClaim, fingerprintOf } from '../../store/idempotency.ts'
import { withInitParams } from '../../store/runs/payloads.ts'
import { findRunByKey, type RunRow } from '../../store/runs/runs.ts'
import { taskAt } from '../../store/tasks/task-at.ts'
import { missingTask } from '../tasks/missing-task.ts'
import { trajectoryPieces, trajectoryUrl } from '../trajectories/document.ts'
import { type AnswerMemory, copiesOfDocument, type DocumentDeps } from '../trajectories/documents.ts'
import { webhookOf } from '../webhooks/check-url.ts'
import type { runsContract } from './contract.ts'
import { withResolvedFiles } from './file-paths.ts'

/** The row of a run as it was in the first answer to the call that started it. */
const asFirstAnswered = (run: RunRow): RunRow => ({
  ...run,
  status: 'pending',
  error: null,
  labels: firstLabels(run),
  started_at: null,
  ended_at: null,
})

/** JSON text of the labels that a run started with: they were set when it was made. */
const firstLabels = ({ labels, author, created_at }: RunRow): string => {
  const created = timestamp(created_at)
  const all = JSON.parse(labels) as Label[]
  return JSON.stringify(all.filter((label) => label.created === created && label.recorded_by === author))
}

const labelsOf = ({ labels = [], author, createdMs }: StartedRun): Label[] =>
  labels.map(({ key, value }) => ({
    ...{ key, value, author, recorded_by: author },
    created: timestamp(new Date(createdMs)),
  }))

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
  labels: JSON.stringify(labelsOf(started)),
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
  call: Pick<AnyCall, 'idempotencyScope' | 'signal' | 'headers'>
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
    const run = await engine.start({ ...request, lent: loan?.lent ?? [], trace: readTrace(call.headers) })
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

/** A request with the internal key of its run. */
type KeyedRequest = RunRequest & { key: string }

/** Lends the server's keys to one run. */
interface RunTrial {
  /** The names of the keys that the run would get, without counting it. Throws when there are none to lend. */
  check(request: KeyedRequest): Promise<readonly string[]>
  /** Counts the run; undefined when it needs no lent keys. */
  reserve(request: KeyedRequest): Promise<Loan | undefined>
  /** Takes the count back. */
  release(runKey: string): Promise<unknown>
  /** Tells how much of the trial is left after a counted run. */
  leftAfter(runId: string): Promise<TrialLeft | undefined>
}

const borrowerOf = async (
  engine: Pick<Engine, 'mayAskModels'>,
  { collection, task, secrets, key }: KeyedRequest,
): Promise<Borrower> => ({
  collectionId: collection.id,
  environmentId: collection.environmentId,
  secrets,
  runKey: key,
  asksNoModel: !(await engine.mayAskModels(task.definition)),
})

/** Makes the trial of one run. */
export const runTrial = ({
  lending,
  engine,
}: {
  lending: Lending
  engine: Pick<Engine, 'mayAskModels'>
}): RunTrial => ({
  check: async (request) => lending.check(await borrowerOf(engine, request)),
  reserve: async (request) => lending.reserve(await borrowerOf(engine, request)),
  release: (runKey) => lending.release(runKey),
  leftAfter: (runId) => lending.leftAfter(runId),
})

/** A request for runs of a task. */
interface Asked {
  task: { name: string; definition: string }
  given: readonly Record<string, unknown>[]
  /** Values that no answer repeats: a parameter whose name holds one is not named. */
  secrets: Record<string, string>
  /** Member of the request that has the parameters. */
  field: string
  alsoKnown?: readonly string[]
}

/**
 * Finds the parameters of a request that the task does not have: a misspelt name would be dropped in silence. They follow
 * from request and definition alone, so that a repeated request gets the same answer.
 */
export const unknownOf = async (
  engine: Pick<Engine, 'parametersOf'>,
  { task, given, secrets, field, alsoKnown = [] }: Asked,
): Promise<Warning[]> => {
  if (given.every((parameters) => Object.keys(parameters).length === 0)) return []
  const known = await engine.parametersOf(task.definition)
  const hidden = Object.values(secrets).filter((secret) => secret !== '')
  return unknownParameters(known, given, { task: task.name, field, alsoKnown }).filter(
    (warning) => !hidden.some((secret) => warning.field.includes(secret)),
  )
}

interface RunAsked {
  body: { init_params: Record<string, unknown>; secret_params: Record<string, string> }
  warn(warning: Warning): void
}

/** Warns about the parameters of a request for one run, by the definition that the run has. */
export const warnOfUnknown = async (
  engine: Pick<Engine, 'parametersOf'>,
  { body, warn }: RunAsked,
  { name, version }: { name: string; version: string },
): Promise<void> => {
  const { init_params, secret_params: secrets } = body
  const task = { name: name.slice(name.indexOf('/') + 1), definition: version }
  for (const one of await unknownOf(engine, { task, given: [init_params], secrets, field: 'init_params' })) warn(one)
}

const secretName = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Checks limits that JSON in a form, or escaped text, could bypass. */
export const checkParameters = (
  body: {
    init_params: Record<string, unknown>
    secret_params: Record<string, string>
    subscription_credential?: string | null | undefined
  },
  hasFiles: boolean,
  maxBytes: number,
): void => {
  if (body.subscription_credential || body.init_params.subscription_credential) {
    throw new AppError(
      'bad_request',
      'subscription_credential needs a user account; API keys and the admin have none',
      {
        hint: "Omit it, and set a key of the provider in the collection's environment or in secret_params.",
      },
    )
  }
  const text = JSON.stringify(body.init_params)
  if (Buffer.byteLength(text) > maxBytes) {
    throw new AppError('too_large', `init_params is too large. Maximum allowed size is ${byteSize(maxBytes)}`, {
      hint: 'Send large data as a file.',
    })
  }
  if (isDeeperThan(text, maxJsonDepth)) {
    throw invalidField(['body', 'init_params'], `init_params is nested deeper than ${maxJsonDepth} levels`, 'too_deep')
  }
  if (hasFiles && !Array.isArray(body.init_params.file_paths ?? [])) {
    const message = 'file_paths must be a list when files are sent: their paths are added to it'
    throw invalidField(['body', 'init_params', 'file_paths'], message, 'list_expected')
  }
  checkSecretNames(body.secret_params)
}

/** Throws a 422 if a run would start with more labels than a run may have. */
export const checkStartLabels = (
  labels: readonly StartLabel[] = [],
  most: number,
  field = ['body', 'labels'],
): void => {
  if (labels.length > most) throw invalidField(field, `A run has at most ${most} labels (JETTY_MAX_LABELS_PER_RUN)`)
}

/** Secrets of a run become environment variables, so their names must be valid. */
export const checkSecretNames = (secrets: Record<string, string>): void => {
  for (const name of Object.keys(secrets)) {
    if (!secretName.test(name)) {
      throw invalidField(
        ['body', 'secret_params', name],
        'A name consists of letters, digits and _, and does not start with a digit',
      )
    }
  }
}

/** A refused run says why in this answer already, because some clients show nothing else. */
const messageOf = ({ refusal }: RunRow): string =>
  refusal === null
    ? 'Workflow started'
    : `The run is recorded and fails before its first step. ${(JSON.parse(refusal) as { message: string }).message}`

/** Answers a call that starts a run, once the run is on disk. */
export const acceptedReply = async (
  deps: Pick<DocumentDeps, 'database' | 'definitions' | 'links'>,
  accepted: RunRow,
  { take }: AnswerMemory,
): Promise<Reply> => {
  const run = await withInitParams(deps.database, accepted, (bytes) => take(copiesOfDocument * bytes))
  const document = doAtOnce(trajectoryPieces(run, [], await deps.definitions(run.definition), deps.links.publicUrl))
  return rawJson(
    objectText<WorkflowResponse>({
      message: messageOf(run),
      workflow_id: run.workflow_id,
      trajectory_id: run.trajectory_id,
      status: 'pending',
      result: {},
      metadata: '',
      url: trajectoryUrl(run, deps.links.publicUrl),
      trial: run.trial,
      trajectory: new WrittenJson(document),
    }),
  )
}

export interface TaskRunDeps {
  database: Database
  engine: Engine
  sealer: Sealer
  lending: Lending
  settings: { maxInitParamsBytes: number; maxLabelsPerRun: number; allowPrivateNetwork: string[] }
}

export type RunCall = Call<(typeof runsContract)['runTask' | 'runTaskSync']>

/** Starts the run that a form asks for, with the files that came with it. */
export const startTaskRun = async (deps: TaskRunDeps, call: RunCall): Promise<RunRow> => {
  const { body, files } = call
  const run = await startRunOnce(deps, {
    call,
    sent: [body, files.map(({ name, sha256 }) => [name, sha256])],
    ...(body.use_trial_keys && { trial: runTrial(deps) }),
    prepare: () => requestOf(deps, call),
    started: call.keepFiles,
    found: (there) => keepOwnFiles(deps.database, there, call),
  })
  await warnOfUnknown(deps.engine, call, run)
  return run
}

/** The members of a start that the members `economy` and `version` of its body add. */
const optionsOf = (
  { economy }: { economy?: Economy | undefined },
  version: AskedVersion | undefined,
): Pick<RunRequest, 'economy' | 'params'> => {
  const isBatch = economy === 'batch'
  if (!isBatch && version === undefined) return {}
  return { ...(isBatch && { economy }), params: { ...(isBatch && { economy }), ...(version && { version }) } }
}

const requestOf = async (deps: TaskRunDeps, call: RunCall): Promise<RunRequest> => {
  const { database, settings } = deps
  const { collection, params, body, files, identity } = call
  if (!call.task) throw missingTask(params.task, collection.name)
  const { task, version = undefined } = body.version
    ? await taskAt(database, call.task, body.version)
    : { task: call.task }
  // Read again after an upload, which may take long: the environment may have a new version, and the collection may be
  // deleted.
  const environmentId = files.length > 0 ? await currentEnvironment(database, collection.id) : task.environment_id
  if (environmentId === undefined) throw new AppError('not_found', 'Collection not found')
  checkParameters(body, files.length > 0, settings.maxInitParamsBytes)
  checkStartLabels(body.labels, settings.maxLabelsPerRun)
  const webhook = await webhookOf(deps, body, collection)
  return {
    collection: { ...collection, environmentId },
    task,
    initParams: await withResolvedFiles(database, collection, body.init_params),
    secrets: body.secret_params,
    files: files.map((file) => ({ ...file, contentType: file.content_type })),
    author: authorOf(identity),
    labels: body.labels,
    ...optionsOf(body, version),
    ...(webhook && { webhook }),
    unservable: refusesUnservable(call) ? 'refuse' : 'record',
  }
}

/** Drops the files of a repeated request, unless the run has these very files: then this call started it. */
const keepOwnFiles = async (database: Database, run: RunRow, { files, keepFiles }: RunCall): Promise<void> => {
  const [first] = files
  if (first && (await filesOfRun(database, run.id)).some(({ object }) => object === first.object)) keepFiles()
}
