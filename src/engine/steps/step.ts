import {
  type ActivityContext,
  type ActivityResult,
  FailedWith,
  type Json,
  WaitForRuns,
} from '../../activities/activity.ts'
import { noteWork } from '../../lib/loop-watch.ts'
import { uncountedBytes } from '../../lib/memory/json-memory.ts'
import { now } from '../../lib/time.ts'
import { addCallUsage, type StepUsage } from '../../model/runs/step-usage.ts'
import type { Placed } from '../../store/runs/payloads.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import { suspectedFrom } from '../leases/suspects.ts'
import { activityContext, type OwnContext } from './activity-context.ts'
import { failedJobs, noteReleased, pauseIn, restoreAttempts } from './attempts.ts'
import { reuseResult } from './cached-result.ts'
import { asStepError, executeActivity, Interrupted, isWait, RunOutOfTime, type TimeLimit } from './execute.ts'
import { type HeldSlot, holdSlot } from './held-slot.ts'
import { type Conclude, type Recorded, recordStep } from './record-step.ts'
import { readRecording } from './recording.ts'
import { resolveAsRecorded, takeRecorded } from './replayed-step.ts'
import { resolveParameters, type ShownParameters } from './resolve.ts'
import type { StepAtWork, StepDeps, StepLeft } from './step-at-work.ts'
import { makeStepClock } from './step-clock.ts'
import { MemoryRefused, StepMemory } from './step-memory.ts'
import { inputsMemory, outputsText, placeLarge, suspectMemory } from './step-outputs.ts'
import { rowOf, type StepOutcome, startRowOf } from './step-record.ts'
import { loadInitParams, loadResults, missingResults } from './step-results.ts'
import type { StepPlace, StepRun } from './step-run.ts'
import { type StepSide, warningEvent } from './step-side.ts'
import { makeStorageWait } from './storage-wait.ts'
import { openStepCalls } from './tools/step-calls.ts'
import { makeStepTools } from './tools/step-tools.ts'

/**
 * Resolves, executes and records a step; resolves when the record is on disk. `conclude` decides about the run. Throws
 * Fenced if another process has the run.
 */
export const carryOut = async (
  engine: StepDeps,
  lease: LeaseRef,
  run: StepRun,
  place: StepPlace,
  conclude: Conclude,
): Promise<Recorded | StepLeft> => {
  const row = rowOf(run, place) // it begins before its warnings
  const side: StepSide = { files: [], warnings: place.step.warnings.map(({ message }) => warningEvent(message)) }
  const startRow = startRowOf(engine, lease, run, row, side)
  // Written out: with a spread in it V8 makes the object ten times as slowly.
  const work: StepAtWork = {
    engine,
    lease,
    run,
    place,
    row,
    side,
    startRow,
    memory: new StepMemory(engine, run, place),
    replay: undefined,
    resultHash: undefined,
    hasRuns: place.started !== undefined,
    isExecuting: false,
    hasBegun: false,
    isOver: false,
  }
  const leaveGate = run.deaths >= suspectedFrom ? await engine.suspects.enter(run, run.deaths) : undefined
  try {
    const outcome = await outcomeOf(work, leaveGate)
    work.isOver = true
    if (outcome === 'released') discardFiles(engine, side) // the next owner of the run makes them again
    if (typeof outcome === 'string') return outcome
    startRow.withdraw()
    return await recordStep(work, outcome, conclude)
  } finally {
    work.isOver = true
    work.memory.end()
    leaveGate?.()
  }
}

/** The outcome of a step. Throws only Fenced. */
const outcomeOf = async (work: StepAtWork, leaveGate: (() => void) | undefined): Promise<StepOutcome | StepLeft> => {
  const { place, row, side, startRow } = work
  const warnings = side.warnings.length
  for (;;) {
    try {
      const result = await outputsOf(work, leaveGate)
      if (typeof result === 'string') return result
      if (place.step.activity.carriesOut) side.usage = usageIn(result instanceof FailedWith ? result.outputs : result)
      if (result instanceof FailedWith) return await failureOf(work, result.error, result.outputs)
      const text = outputsText(work, result)
      return { status: 'completed', outputs: typeof text === 'string' ? text : await text, error: undefined }
    } catch (thrown) {
      const problem = await problemOf(work, thrown)
      if (problem !== 'again') return await failureOf(work, problem)
      side.warnings.splice(warnings) // it says them again
    } finally {
      row.attempt = place.attempt
      startRow.cancel()
    }
  }
}

/**
 * Lets a step begin again with all the memory that it needs, if it was refused some of it and nothing that it did can be
 * seen outside. Otherwise returns what it fails with.
 */
const problemOf = async ({ memory, place, isExecuting }: StepAtWork, thrown: unknown): Promise<unknown> => {
  if (!(thrown instanceof MemoryRefused) || (isExecuting && !place.step.activity.pure)) return thrown
  try {
    return (await memory.startOver()) ? 'again' : thrown
  } catch (error) {
    return error
  }
}

/** The usage of a runbook, from its outputs: the gateway of its sandbox has counted it. */
const usageIn = ({ usage }: Record<string, Json | unknown>): StepUsage | undefined => {
  const stated = usage as StepUsage | undefined
  return stated && addCallUsage(undefined, stated, stated.cost_usd)
}

/** The outcome of a step that failed or was interrupted; `made` are outputs that it has nevertheless. */
const failureOf = async (
  work: StepAtWork,
  thrown: unknown,
  made?: Record<string, Json>,
): Promise<StepOutcome | StepLeft> => {
  const { engine, run, place, side } = work
  if (thrown instanceof Fenced) {
    discardFiles(engine, side) // of a step without a record
    throw thrown
  }
  const isStopped = run.requested !== undefined || run.failure !== undefined
  if (thrown instanceof Interrupted && !isStopped) {
    await noteReleased(work)
    return 'released'
  }
  const error = asStepError(thrown)
  if (error.code === 'database_unavailable') return 'released' // it stops while Postgres is away
  if (work.hasRuns && !(await engine.endAllBelow(work.lease, run, place.seq))) return 'released'
  const outputs = made === undefined ? null : await outputsBeside(work, made)
  const isCancelled = run.requested !== undefined || thrown instanceof Interrupted
  if (isCancelled) return { status: 'cancelled', outputs, error }
  const mayGoOn = !(error instanceof RunOutOfTime) && error.code !== 'replay_diverged'
  const goesOn = place.step.options.continueOnError && mayGoOn
  if (goesOn) side.warnings.push(warningEvent(`It failed, and the run goes on (continue_on_error): ${error.message}`))
  return { status: 'failed', outputs, error, goesOn }
}

/** Outputs of a step that failed for another reason than their size. */
const outputsBeside = async (work: StepAtWork, outputs: Record<string, Json>): Promise<string | null> => {
  try {
    return await outputsText(work, outputs)
  } catch (error) {
    work.side.warnings.push(warningEvent(asStepError(error).message))
    return null
  }
}

/** Executes the activity, and waits if it asks to wait; a wait holds neither a slot nor memory. */
const outputsOf = async (
  work: StepAtWork,
  leaveGate: (() => void) | undefined,
): Promise<Record<string, Json> | FailedWith | StepLeft> => {
  if (leaveGate) await work.memory.reserve(suspectMemory(work.engine))
  if (work.place.attempt > 1) await restoreAttempts(work)
  for (;;) {
    const result = await executeInSlot(work)
    if (result === 'released' || !isWait(result)) return result
    leaveGate?.()
    work.startRow.cancel()
    work.row.attempt = work.place.attempt
    // What runs are made of is held while they need memory themselves: a share of a parent counts that.
    if (result instanceof WaitForRuns && !result.again) work.memory.trim()
    else work.memory.empty()
    const waited = await work.engine.waitOut(work, result)
    if (waited !== 'again') return waited
  }
}

const executeInSlot = async (work: StepAtWork): Promise<ActivityResult | 'released'> => {
  const { engine, run } = work
  const held = holdSlot(engine.slots, run)
  const slot = held.take()
  if (slot) await slot
  work.memory.slot = held
  try {
    return engine.stopping.aborted ? 'released' : await execute(work, held)
  } finally {
    work.memory.slot = undefined
    held.end()
  }
}

const execute = async (work: StepAtWork, held: HeldSlot): Promise<ActivityResult> => {
  const { engine, lease, run, place, row, side, startRow } = work
  const isThereRoom = engine.quota.require(run.collectionId, 0)
  if (isThereRoom) await isThereRoom
  place.started ??= new Date(now())
  row.startedMs = place.started.getTime()
  const missing = missingResults(run, place.step)
  const loaded = missing.length > 0 ? await loadResults(engine, run, place.step, missing, work.memory) : undefined
  const initParams = run.initParams ?? (await loadInitParams(engine, run, work.memory))
  const recording = run.replayOf === null ? undefined : await readRecording(engine, run.replayOf, place, work.memory)
  noteWork('step', place.step.activity.name)
  const resolving = { loaded, initParams, mostText: engine.limits.maxOutputBytes }
  const resolved = recording
    ? resolveAsRecorded(run, place.step, recording, resolving)
    : resolveParameters(run, place.step, resolving)
  warnOnce(side, resolved.warnings)
  const kept = keepInputs(work, resolved)
  const shown = typeof kept === 'string' ? kept : await kept
  const taken = recording
    ? await takeRecorded(work, recording, shown)
    : place.step.options.cache
      ? await reuseResult(work, shown)
      : undefined
  if (taken) return taken
  if (run.deaths >= suspectedFrom) await startRow.write()
  else startRow.writeSoon()
  const confirmed = engine.confirmLease(lease)
  if (confirmed) await confirmed
  const timeLimit = timeLimitOf(engine, run, place)
  work.isExecuting = true
  if (!place.step.activity.pure && run.deaths < suspectedFrom) work.memory.trim()
  let ofThisTry = 0
  const room = (bytes: number) => {
    if (bytes > uncountedBytes) ofThisTry += bytes
    return work.memory.room(bytes)
  }
  const clock = makeStepClock()
  const calls = place.step.tools.length > 0 ? await openStepCalls(work) : undefined
  return executeActivity({
    run,
    place,
    parameters: resolved.parameters,
    timeLimit,
    clock,
    failedBefore: failedJobs(work),
    pause: pauseIn(work, held),
    context(attempt, signal) {
      discardFiles(engine, side) // of a failed attempt
      work.memory.giveBack(ofThisTry)
      ofThisTry = 0
      work.hasBegun = false
      if (attempt > row.attempt) startRow.tryAgain(attempt)
      const more = {
        carryOutRunbook: engine.carryOutFor(work, held, attempt, signal),
        runScript: engine.runScriptFor(work, held, attempt, signal),
        recordStart() {
          if (signal().aborted) throw new Interrupted(place.name) // it is given up, and may begin nothing
          work.hasBegun = true
          return startRow.write()
        },
      }
      const onceStored = makeStorageWait(work, held, signal, clock)
      const { leftSeconds } = timeLimit
      const contextOf = (own: StepSide, other: OwnContext, until = signal): ActivityContext =>
        activityContext(
          engine,
          run,
          place,
          own,
          attempt,
          leftSeconds,
          until,
          { ...more, initParams },
          room,
          onceStored,
          other,
        )
      const tools = calls && makeStepTools({ work, calls, parameters: resolved.parameters, signal, contextOf })
      return contextOf(side, { tools })
    },
  })
}

/**
 * Notes the inputs in the step's row, or beside it. Returns their JSON text if it is still needed, as it may be large.
 * Small inputs make no promise: most steps have no others.
 */
const keepInputs = (work: StepAtWork, { parameters, shown }: ShownParameters): string | Promise<string> => {
  const bytes = inputsMemory(parameters)
  const room = work.memory.room(bytes)
  if (room) return room.then(() => placeInputs(work, shown(), bytes))
  return placeInputs(work, shown(), bytes)
}

const placeInputs = (work: StepAtWork, shown: string, bytes: number): string | Promise<string> => {
  const { engine, run, place, row, memory } = work
  const noted = (inputs: Placed): string => {
    row.inputs = inputs.text
    row.inputsPayload = inputs.payload
    if (run.replayOf !== null || place.step.options.cache) return shown
    memory.giveBack(bytes)
    return ''
  }
  // A step that begins again has the same inputs.
  const placed =
    row.inputsPayload === null ? placeLarge(engine, run, shown) : { text: null, payload: row.inputsPayload }
  return placed instanceof Promise ? placed.then(noted) : noted(placed)
}

/** A step that runs again after a wait resolves its parameters anew, and has the same to say. */
const warnOnce = ({ warnings }: StepSide, texts: string[]): void => {
  for (const text of texts) if (!warnings.some(({ message }) => message === text)) warnings.push(warningEvent(text))
}

const discardFiles = (engine: StepDeps, side: StepSide): void => {
  if (side.files.length === 0) return
  const objects = side.files.splice(0).map((file) => file.object)
  void engine.objects.remove(objects).catch(() => {})
}

/** The time limit of a step. With tools, one that the step sets counts from its first start. */
const timeLimitOf = (engine: StepDeps, run: StepRun, { step, started }: StepPlace): TimeLimit => {
  const { stepTimeoutSeconds, runTimeoutSeconds } = engine.limits
  const ofTry = step.options.timeoutSeconds
  const seconds = ofTry ?? step.timeoutSeconds ?? step.activity.timeoutSeconds ?? stepTimeoutSeconds
  const counts = step.tools.length > 0 && step.timeoutSeconds !== undefined && ofTry === undefined
  const gone = counts && started ? (now() - started.getTime()) / 1000 : 0
  const ofStep = Math.max(0, seconds - gone)
  const ofRun = Math.max(0, runTimeoutSeconds - run.workMs / 1000)
  if (ofRun < ofStep) return { seconds: ofRun, leftSeconds: ofRun, of: 'run' }
  return { seconds, leftSeconds: ofStep, of: ofTry === undefined ? 'step' : 'try' }
}
