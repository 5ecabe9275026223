import type { ActivityContext } from '../../activities/activity.ts'
import type { ModelCalls } from '../../model/gateway/model-calls.ts'
import type { CarryOutRunbook, NewAgentEvent, RunbookHost, RunbookOutcome } from '../../model/runbooks/runbook-run.ts'
import type { Queries } from '../../store/database/database.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import type { Fenced } from '../journal/journal-sender.ts'
import type { Heartbeat } from '../leases/heartbeat.ts'
import { Interrupted, RunOutOfTime } from '../steps/execute.ts'
import type { HeldSlot } from '../steps/held-slot.ts'
import { callerOf, type ModelRules, stepModels } from '../steps/model-rules.ts'
import type { StepAtWork, StepDeps } from '../steps/step-at-work.ts'
import { warningEvent } from '../steps/step-side.ts'
import { makeStorageWait, type StorageWait } from '../steps/storage-wait.ts'
import { type EventLogDeps, openEventLog } from './event-log.ts'
import { countEnd, type RunbooksHere, runClock, watchLease } from './runbook-clock.ts'
import { keepSandboxFile, openInput } from './sandbox-files.ts'
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
    owner: run,
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
    keep: (file, keepAs, kind) => keepSandboxFile(deps, work, { attempt, onceStored }, file, keepAs, kind),
    tell,
    scrub: environment.scrub.text,
    scrubFile: (file) => scrubbedFile(file, environment.scrub),
    isRepeated: attempt > 1,
    signal,
  }
}
