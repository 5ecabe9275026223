import type { ActivityContext } from '../../activities/activity.ts'
import type { Queries } from '../../database/database.ts'
import { AppError } from '../../lib/errors.ts'
import type { FileSource } from '../../model/file-source.ts'
import type { ModelCalls } from '../../model/gateway/model-calls.ts'
import type {
  CarryOutRunbook,
  NewAgentEvent,
  ResultFile,
  RunbookHost,
  RunbookOutcome,
} from '../../model/runbooks/runbook-run.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { stepFilePath } from '../../store/files/storage-path.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import type { Heartbeat } from '../leases/heartbeat.ts'
import { fileOf, mediaObject } from '../steps/activity-context.ts'
import { Interrupted, RunOutOfTime } from '../steps/execute.ts'
import type { HeldSlot } from '../steps/held-slot.ts'
import { callerOf, type ModelRules, stepModels } from '../steps/model-rules.ts'
import type { StepAtWork, StepDeps } from '../steps/step-at-work.ts'
import { warningEvent } from '../steps/step-side.ts'
import { makeStorageWait, type StorageWait } from '../steps/storage-wait.ts'
import { type EventLogDeps, openEventLog } from './event-log.ts'
import { countEnd, type RunbooksHere, runClock } from './runbook-clock.ts'
import { scrubbedFile } from './scrubbed-file.ts'

interface RunbookDeps extends EventLogDeps {
  database: Queries
  objects: ObjectStore
  models: ModelCalls
  rules: ModelRules
  limits: { runbookEvents: number; runTimeoutSeconds: number }
  confirmLease: Heartbeat['confirm']
  carryOutRunbook: CarryOutRunbook
  /** The runbooks of this process. */
  runbooks: RunbooksHere
  /** Fires when the process stops taking steps. */
  stopping: AbortSignal
}

/** How often the lease is checked: an agent must stop once another process has the run. */
const checkLeaseMs = 500

/** Makes the function that carries out a runbook as one step of a run, with the keys, files, time and budget of the run. */
export const makeCarryOutFor =
  (deps: RunbookDeps): StepDeps['carryOutFor'] =>
  (work, held, attempt, signal) =>
  (request) =>
    carryOut(deps, work, held, { attempt, signal }, request)

const carryOut = async (
  deps: RunbookDeps,
  work: StepAtWork,
  held: HeldSlot,
  { attempt, signal }: { attempt: number; signal: () => AbortSignal },
  request: Parameters<ActivityContext['carryOutRunbook']>[0],
): Promise<RunbookOutcome> => {
  const { startRow } = work
  startRow.cancel()
  await startRow.write() // so that the next owner of the run knows of this sandbox
  const stop = makeStop()
  const events = await openEventLog(deps, work, stop.for)
  const watch = watchLease(deps, work.lease, stop.for)
  const clock = runClock(deps, work, held, () => stop.for(new RunOutOfTime()))
  // A stopping server begins nothing new: a runbook that only waits is left to the next owner of the run.
  const leave = () => clock.isWaiting && stop.for(new Interrupted(work.place.name))
  const tell = (event: NewAgentEvent) => {
    if (work.isOver || stop.isLeft) return // the next owner of the run records how it ends
    if (event.type === 'phase') event.phase === 'waiting' ? clock.rest() : clock.goOn()
    if (deps.stopping.aborted) leave()
    events.add(event)
  }
  clock.goOn()
  deps.runbooks.underWay.add(clock)
  deps.stopping.addEventListener('abort', leave)
  try {
    const over = AbortSignal.any([signal(), stop.signal])
    const host = await hostOf(deps, work, {
      attempt,
      signal: over,
      onceStored: makeStorageWait(work, held, () => over),
      confirm: watch.confirm,
      tell,
    })
    const outcome = stop.concluded(await deps.carryOutRunbook(request, host))
    countEnd(deps.runbooks, outcome.failure?.reason ?? 'completed')
    return outcome
  } catch (error) {
    throw stop.reason ?? error
  } finally {
    deps.stopping.removeEventListener('abort', leave)
    deps.runbooks.underWay.delete(clock)
    clock.end()
    watch.end()
    await events.close() // before the step is recorded: throws Fenced if the run was lost
  }
}

/** Reason why the server itself ends a runbook. */
type StopReason = Fenced | RunOutOfTime | Interrupted

/** Stops a runbook, once, and remembers why. */
const makeStop = () => {
  const controller = new AbortController()
  let reason: StopReason | undefined
  return {
    signal: controller.signal,
    for(given: StopReason) {
      reason ??= given
      controller.abort()
    },
    get reason() {
      return reason
    },
    /** Whether the run is left to its next owner. */
    get isLeft() {
      return reason !== undefined && !(reason instanceof RunOutOfTime)
    },
    /** Returns the outcome of the runbook. Throws the reason if the run is left to its next owner. */
    concluded(outcome: RunbookOutcome): RunbookOutcome {
      if (reason instanceof RunOutOfTime) return outOfTime(outcome, reason)
      if (reason) throw reason
      return outcome
    },
  }
}

/** Checks the lease from time to time: once another process has the run, its agent must stop, and ask no model. */
const watchLease = (
  { confirmLease }: Pick<RunbookDeps, 'confirmLease'>,
  lease: LeaseRef,
  onFenced: (fenced: Fenced) => void,
) => {
  const confirm = async (): Promise<void> => {
    try {
      await confirmLease(lease)
    } catch (error) {
      if (error instanceof Fenced) onFenced(error)
      throw error
    }
  }
  let isChecking = false
  const check = async () => {
    if (isChecking) return
    isChecking = true
    await confirm().catch(() => {}) // Postgres is away: asked again
    isChecking = false
  }
  const timer = setInterval(() => void check(), checkLeaseMs)
  return { confirm, end: () => clearInterval(timer) }
}

const outOfTime = (outcome: RunbookOutcome, { message, hint }: RunOutOfTime): RunbookOutcome =>
  outcome.failure
    ? { ...outcome, failure: { reason: 'timed_out', message, ...(hint !== undefined && { hint }) } }
    : outcome

const hostOf = async (
  deps: RunbookDeps,
  work: StepAtWork,
  {
    attempt,
    signal,
    onceStored,
    confirm,
    tell,
  }: { attempt: number; confirm(): Promise<void>; onceStored: StorageWait } & Pick<RunbookHost, 'signal' | 'tell'>,
): Promise<RunbookHost> => {
  const { run, place, side } = work
  const { collectionId, taskId, key: runKey, environment } = run
  const warn: ActivityContext['warn'] = (message, attributes) => side.warnings.push(warningEvent(message, attributes))
  const callerNow = () => callerOf(deps, run, () => signal, warn)
  const { signal: _, ...caller } = await callerNow()
  const isAlone = run.program.steps.filter(({ activity }) => activity.carriesOut === 'runbook').length < 2
  return {
    id: isAlone ? run.trajectoryId : `${run.trajectoryId}-${place.seq}`,
    owner: String(collectionId),
    caller: {
      ...caller,
      async admit(call) {
        await confirm()
        await (await callerNow()).admit?.(call) // the collection's settings may change meanwhile
      },
    },
    secretParams: environment.secretNames,
    paid: async ({ model, usd, tokens }) => {
      if (usd !== null || tokens > 0) await deps.rules.spend({ collectionId, taskId, model, runKey, usd, tokens })
    },
    chat: stepModels(deps, run, () => signal, side, warn).chat,
    openFile: (path) => openInput(deps, work, path, onceStored),
    keep: (file, keepAs, kind) => keepResult(deps, work, { attempt, onceStored }, file, keepAs, kind),
    tell,
    scrub: environment.scrub.text,
    scrubFile: (file) => scrubbedFile(file, environment.scrub),
    isRepeated: attempt > 1,
    signal,
  }
}

const openInput = async (
  deps: Pick<RunbookDeps, 'database' | 'objects'>,
  { run }: StepAtWork,
  path: string,
  onceStored: StorageWait,
): Promise<FileSource> => {
  const { object, name, content_type, size } = await fileOf(deps.database, run, path)
  return {
    name,
    content_type,
    size,
    async *open() {
      yield* (await onceStored(() => deps.objects.open(object))).stream
    },
  }
}

/** Stores a file of the sandbox. Its storage path ends with its path in the sandbox. */
const keepResult = async (
  { objects }: Pick<RunbookDeps, 'objects'>,
  work: StepAtWork,
  { attempt, onceStored }: { attempt: number; onceStored: StorageWait },
  file: FileSource,
  keepAs: string,
  kind?: 'log',
): Promise<ResultFile> => {
  const { run, place, side } = work
  const stored = await onceStored(() => objects.put(file.open(), { maxBytes: Number.MAX_SAFE_INTEGER }))
  if (work.isOver || place.attempt !== attempt) {
    await objects.remove([stored.id]).catch(() => {})
    throw new AppError('cancelled', `Step '${place.name}' is over`)
  }
  const name = keepAs.slice(keepAs.lastIndexOf('/') + 1)
  const where = kind === 'log' ? keepAs : `${inside.results}/${keepAs}`
  const path = stepFilePath({ ...run, step: place.name, index: side.files.length, name: where })
  const { content_type: contentType } = file
  const { id: object, size, sha256 } = stored
  side.files.push({ path, object, name, contentType, size, sha256 })
  return { ...mediaObject(path, name, contentType, stored.size), relative_path: keepAs }
}
