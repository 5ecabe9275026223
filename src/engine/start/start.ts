import type { AppError } from '../../lib/errors.ts'
import type { Owner } from '../../lib/fair-queue.ts'
import { newRunKey, newTrajectoryId } from '../../lib/ids.ts'
import type { ByteBudget } from '../../lib/memory/byte-budget.ts'
import { parsedMemory } from '../../lib/memory/json-memory.ts'
import type { Scrubber } from '../../lib/secrets/scrub.ts'
import { now } from '../../lib/time.ts'
import { mergedLabels, type StartLabel } from '../../model/runs/label.ts'
import type { NewFile, NewRun, RunExtras } from '../../model/runs/new-run.ts'
import { placementOf } from '../../model/runs/placement.ts'
import type { SealedWebhook } from '../../model/webhook.ts'
import type { Pauses } from '../../store/collections/pauses.ts'
import type { Quota, Usage } from '../../store/collections/quota.ts'
import { databaseAway } from '../../store/database/away.ts'
import type { AwaitedWork } from '../../store/database/watch.ts'
import { runUploadPath } from '../../store/files/storage-path.ts'
import { type Carry, RunExists, type RunRequest, type StartedRun } from '../engine.ts'
import type { Environment } from '../environment/environment.ts'
import type { Environments } from '../environment/environments.ts'
import type { RunSecrets } from '../environment/run-secrets.ts'
import { Fenced, TrajectoryIdTaken } from '../journal/journal-sender.ts'
import type { Leases } from '../leases/leases.ts'
import { newBranchState } from '../program/branch-state.ts'
import { requireInputs } from '../program/input-schema.ts'
import type { Program, ProgramStep } from '../program/program.ts'
import type { Programs } from '../program/programs.ts'
import { type LiveRun, newLiveRun } from '../runs/live-run.ts'
import { refusalOf, refusalRecord, refusalSentence } from '../runs/refusal.ts'
import { workOn } from '../runs/run.ts'
import type { RunDeps } from '../runs/run-deps.ts'
import { checkModels, type ModelCheckDeps } from './check-models.ts'
import { checkRunbooks, type RunbookCheckDeps } from './check-runbooks.ts'
import type { QueuedRun } from './enqueue.ts'
import { checkSecretsGiven, stillToCome } from './rerun.ts'

/** State of a run at its start. */
interface Beginning {
  program: Program
  sealedSecrets: string | null
  environment: Environment
  merged: Record<string, unknown>
}

/** Everything of a new run that does not depend on its trajectory id. */
interface PreparedRun extends Beginning {
  request: RunRequest
  key: string
  /** Hash of its definition without secrets; null if it has none. */
  shownDefinition: string | null
  /** The record of the fault that it fails with before its first step. */
  refusal: string | undefined
  more: RunExtras | null
}

/** Makes the rows of a run and its files under a trajectory id. */
const newRunOf = (prepared: PreparedRun, trajectoryId: string): QueuedRun => {
  const { request, environment, merged } = prepared
  const { collection, task } = request
  const at = { collection: collection.name, task: task.name, trajectoryId }
  const files = request.files.map(
    (file, index): NewFile => ({ ...file, path: runUploadPath({ ...at, index, name: file.name }) }),
  )
  const name = `${collection.name}/${task.name}`
  const run: NewRun = {
    key: prepared.key,
    trajectoryId,
    workflowId: `${name.replaceAll('/', '-')}--${trajectoryId}`,
    collectionId: collection.id,
    payer: collection.payer,
    taskId: task.id,
    name,
    definition: task.definition,
    shownDefinition: prepared.shownDefinition,
    initParams: environment.scrub.json(files.length > 0 ? withFilePaths(merged, files) : merged),
    author: request.author,
    environmentId: collection.environmentId,
    sealedSecrets: prepared.sealedSecrets,
    more: prepared.more,
    labels: shownLabels(request, environment.scrub),
    createdMs: now(),
  }
  return { run, files }
}

/** The labels of a request without secrets, each key once. */
const shownLabels = ({ labels }: RunRequest, scrub: Scrubber): readonly StartLabel[] | undefined =>
  labels && labels.length > 0
    ? mergedLabels(labels.map(({ key, value }) => ({ key: scrub.text(key), value: scrub.text(value) })))
    : undefined

/** Makes the run in memory, before its first step. `heldBytes` is the memory of its parameters. */
const liveRunOf = ({ request, program, environment, refusal }: PreparedRun, run: NewRun, heldBytes: number): LiveRun =>
  newLiveRun(run, {
    collection: request.collection.name,
    task: request.task.name,
    program,
    heldBytes,
    environment,
    depth: 0,
    replayOf: request.rerun?.replayOf ?? null,
    refusal: refusal === undefined ? null : refusalSentence(refusal),
    branchState: program.isSteered || program.isParallel ? newBranchState() : undefined,
  })

/** The usage that a new run adds to its collection. */
const usageOfRun = (initParams: string, files: readonly NewFile[]): Usage => ({
  runs: 1,
  databaseBytes: Buffer.byteLength(initParams),
  fileBytes: files.reduce((sum, { size }) => sum + size, 0),
})

/** Adds the paths of files to `file_paths` of the parameters. */
const withFilePaths = (
  params: Record<string, unknown>,
  files: readonly Pick<NewFile, 'path'>[],
): Record<string, unknown> => {
  const given = Array.isArray(params.file_paths) ? params.file_paths : []
  return { ...params, file_paths: [...given, ...files.map((file) => file.path)] }
}

/** Dependencies of the checks before a start. */
export interface CheckDeps extends ModelCheckDeps, RunbookCheckDeps {
  pauses: Pick<Pauses, 'require'>
  quota: Pick<Quota, 'add' | 'require'>
  programs: Pick<Programs, 'of'>
  environments: Pick<Environments, 'of'>
  sealSecrets(secrets: RunSecrets, runKey: string): string | null
}

/** Dependencies of a start. */
export interface Starter extends CheckDeps {
  runs: RunDeps
  memory: ByteBudget
  leases: Leases
  enqueue(queued: QueuedRun): Promise<void>
  enqueueCarrying(queued: QueuedRun, carry: Carry): Promise<void>
  /** Whether this process may begin a run of the collection now. */
  hasRoom(owner: Owner): boolean
  sealWebhook(webhook: SealedWebhook, runKey: string): string
  /** Stores a definition's text without its secrets as another definition; null when it has none. */
  shownDefinition(hash: string, scrub: (jsonText: string) => string): Promise<string | null>
  drawTrajectoryId?: () => string
  /** Keys of runs being written. */
  underWay: Set<string>
}

/**
 * Stores a run and begins it here if there is room, otherwise queues it. Throws RunExists when its key exists or is
 * being written: it then exists soon, unless that write fails.
 */
export const startRun = async (starter: Starter, request: RunRequest, attempt: AwaitedWork): Promise<StartedRun> => {
  const key = request.key ?? newRunKey()
  if (starter.underWay.has(key)) throw new RunExists(key) // in one statement with its twin, both would seem new
  starter.underWay.add(key)
  try {
    return await writeDown(starter, request, key, attempt)
  } finally {
    starter.underWay.delete(key)
  }
}

const writeDown = async (
  starter: Starter,
  request: RunRequest,
  key: string,
  attempt: AwaitedWork,
): Promise<StartedRun> => {
  starter.pauses.require(request.collection.id)
  const isThereRoom = starter.quota.require(request.collection.id)
  if (isThereRoom) await isThereRoom
  const prepared = await prepare(starter, request, key)
  for (;;) {
    const queued = newRunOf(prepared, (starter.drawTrajectoryId ?? newTrajectoryId)())
    const { run, files } = queued
    try {
      await beginOrQueue(starter, prepared, queued, attempt)
      starter.quota.add(run.collectionId, usageOfRun(run.initParams, files))
      const { sealedSecrets: _, ...started } = run
      return started
    } catch (error) {
      if (!(error instanceof TrajectoryIdTaken)) throw error
    }
  }
}

/** Makes everything of a run that does not depend on its trajectory id. */
const prepare = async (starter: Starter, request: RunRequest, key: string): Promise<PreparedRun> => {
  const beginning = await beginningOf(starter, request, key)
  const { environment } = beginning
  if (!request.isChecked) await requireInputsOf(request, beginning)
  const shownDefinition = environment.isEmpty
    ? null
    : await starter.shownDefinition(request.task.definition, environment.scrub.jsonText)
  const mayBeRefused = !request.isChecked && needsCheck(request, beginning)
  const found = request.refusal ?? (mayBeRefused ? await refusalTo(starter, request, beginning) : undefined)
  const refusal = found ? refusalRecord(found, environment.scrub) : undefined
  const runsOn = await placementFor(starter, request, beginning)
  const more = extrasOf(starter, request, key, environment.scrub, { refusal, runsOn })
  return { ...beginning, request, key, shownDefinition, refusal, more }
}

/** Begins a run here if there is room, otherwise queues it. */
const beginOrQueue = async (
  starter: Starter,
  prepared: PreparedRun,
  { run, files }: QueuedRun,
  attempt: AwaitedWork,
): Promise<void> => {
  const { request, refusal } = prepared
  const carry = request.rerun?.carry
  if (carry && refusal === undefined) return starter.enqueueCarrying({ run, files }, carry)
  const heldBytes = initParamsMemory(run.initParams)
  // A lease goes to one process after the other: runs of different placements do not share one.
  if (run.more?.runs_on !== undefined) return starter.enqueue({ run, files })
  if (!starter.hasRoom(run) || !starter.memory.tryTake(heldBytes)) return starter.enqueue({ run, files })
  try {
    await begin(starter, attempt, run, files, () => liveRunOf(prepared, run, heldBytes))
  } catch (error) {
    starter.memory.give(heldBytes)
    throw error
  }
}

/** Shorter `init_params` (characters) are not counted. */
const smallInitParams = 4 * 1024

/** Memory of a run's parameters: text for the record, and parsed for the steps. */
const initParamsMemory = (text: string): number => (text.length <= smallInitParams ? 0 : 2 * parsedMemory(text))

const beginningOf = async (
  { programs, environments, sealSecrets }: CheckDeps,
  { collection, task, initParams, secrets, lent = [] }: RunRequest,
  key: string,
): Promise<Beginning> => {
  const program = await programs.of(task.definition)
  const sealedSecrets = sealSecrets({ secrets, lent }, key)
  const environment = await environments.of(collection.environmentId, sealedSecrets, key, program.callbackSteps)
  return { program, sealedSecrets, environment, merged: { ...program.initParams, ...initParams } }
}

/**
 * Makes the checks of `startRun` before anything is stored: missing secrets, models that no key serves, runbooks that
 * cannot be executed. Throws what it finds, or returns it when the request wants it recorded.
 */
export const checkStart = async (deps: CheckDeps, request: RunRequest): Promise<AppError | undefined> => {
  if (request.refusal) return request.refusal
  deps.pauses.require(request.collection.id)
  await deps.quota.require(request.collection.id)
  const beginning = await beginningOf(deps, request, request.key ?? newRunKey())
  await requireInputsOf(request, beginning)
  return refusalTo(deps, request, beginning)
}

const refusalTo = (deps: CheckDeps, request: RunRequest, beginning: Beginning): Promise<AppError | undefined> =>
  refusalOf(request.unservable, () => checkBeginning(deps, request, beginning))

/** A replay has the parameters of its recording. Files get their paths later: what counts now is how many there are. */
const requireInputsOf = ({ files, rerun }: RunRequest, { program, merged }: Beginning): Promise<void> | undefined => {
  if (program.inputSchema === undefined || rerun?.replayOf !== undefined) return undefined
  return requireInputs(
    program,
    files.length > 0
      ? withFilePaths(
          merged,
          files.map(({ name }) => ({ path: name })),
        )
      : merged,
  )
}

/** Whether there is anything to check: most runs call no model and run no runbook. */
const needsCheck = ({ rerun }: RunRequest, { program }: Beginning): boolean =>
  rerun !== undefined || program.askingSteps.length + program.sandboxSteps.length > 0

/** Checks the models and runbooks that the steps of a run will need. */
const checkBeginning = async (
  deps: CheckDeps,
  { rerun, collection }: RunRequest,
  { program, environment, merged: initParams }: Beginning,
): Promise<void> => {
  if (rerun && rerun.replayOf === undefined) checkSecretsGiven(program, environment, rerun.carry)
  if (program.problems.length > 0) return
  const toCome = (steps: ProgramStep[]) => (rerun && steps.length > 0 ? stillToCome(steps, rerun) : steps)
  const run = { collectionId: collection.id, environment }
  const askingSteps = toCome(program.askingSteps)
  if (askingSteps.length > 0) await checkModels(deps, { ...run, program: { ...program, askingSteps }, initParams })
  const sandboxSteps = toCome(program.sandboxSteps)
  if (sandboxSteps.length > 0) await checkRunbooks(deps, run, sandboxSteps, [initParams])
}

/** The labels that steps and the collection ask of a server process. */
const placementFor = async (
  { rules }: Pick<CheckDeps, 'rules'>,
  { collection }: RunRequest,
  { program }: Beginning,
): Promise<string | null> => {
  const { server_labels: ofCollection } = collection.settings ?? (await rules.settingsOf(collection.id))
  return placementOf([...program.runsOn, ...(ofCollection ?? [])])
}

/** Rarely used columns; null when all are empty. */
const extrasOf = (
  { sealWebhook }: Starter,
  { params, routineId, webhook, rerun, trace, economy, trial }: RunRequest,
  key: string,
  scrub: Scrubber,
  { refusal, runsOn }: { refusal: string | undefined; runsOn: string | null },
): RunExtras | null => {
  const isPlain = !params && routineId === undefined && !webhook && !rerun?.replayOf && !refusal
  if (isPlain && !runsOn && !trace && !economy && !trial) return null
  const shownUrl = webhook && scrub.text(webhook.url)
  // A URL that contains a secret of the environment is sealed, and shown without it.
  const hidden: SealedWebhook | undefined = webhook && {
    secret: webhook.secret,
    url: shownUrl === webhook.url ? null : webhook.url,
    statuses: webhook.statuses,
    format: webhook.format,
  }
  return {
    ...(params && { params: scrub.json(params) }),
    ...(routineId !== undefined && { routine_id: routineId }),
    ...(refusal !== undefined && { refusal }),
    ...(runsOn !== null && { runs_on: runsOn }),
    ...(trace !== undefined && { trace_context: trace }),
    ...(economy !== undefined && { economy }),
    ...(trial !== undefined && { trial: JSON.stringify(trial) }),
    ...(rerun?.replayOf !== undefined && { replay_of: rerun.replayOf }),
    ...(shownUrl !== undefined && { webhook_url: shownUrl }),
    ...(hidden &&
      (hidden.secret ?? hidden.url ?? hidden.statuses ?? hidden.format ?? null) !== null && {
        sealed_webhook_secret: sealWebhook(hidden, key),
      }),
  }
}

/** Once the journal has stored the run, it continues without the caller. */
const begin = async (
  { runs, leases }: Pick<Starter, 'runs' | 'leases'>,
  attempt: AwaitedWork,
  run: NewRun,
  files: NewFile[],
  live: () => LiveRun,
): Promise<void> => {
  if (runs.live.has(run.key)) throw new RunExists(run.key)
  for (;;) {
    const lease = await leases.current()
    if (attempt.isOver) {
      leases.leave(lease)
      throw databaseAway() // the client got this answer, and may have repeated the request
    }
    const entry = { lease: { id: lease.id, epoch: lease.epoch }, run, files, owner: run }
    try {
      runs.live.set(run.key, live())
      await runs.journal.add(entry)
    } catch (error) {
      runs.live.delete(run.key)
      leases.leave(lease)
      if (!(error instanceof Fenced)) throw error
      leases.drop(lease)
      continue
    }
    void workOn(runs, leases, lease, runs.live.get(run.key) ?? live())
    return
  }
}
