import { setTimeout as delay } from 'node:timers/promises'
import {
  type ActivityContext,
  type ActivityResult,
  FailedWith,
  type Json,
  WaitForRuns,
} from '../../activities/activity.ts'
import type { AppError } from '../../lib/errors.ts'
import { noteWork } from '../../lib/loop-watch.ts'
import { uncountedBytes } from '../../lib/memory/json-memory.ts'
import { now, timestamp } from '../../lib/time.ts'
import { WaitForBatch } from '../../model/gateway/collected-call.ts'
import { addCallUsage } from '../../model/gateway/model-totals.ts'
import type { ErrorRecord } from '../../model/runs/error-record.ts'
import type { StepLog } from '../../model/runs/step.ts'
import { type AttemptAttributes, attemptMessages, attemptsAmong } from '../../model/runs/step-attempts.ts'
import type { StepUsage } from '../../model/runs/step-usage.ts'
import { bool, int, orNull, queryOne, text } from '../../store/database/table.ts'
import type { Placed } from '../../store/runs/payloads.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import { suspectedFrom } from '../leases/suspects.ts'
import { activityContext, type OwnContext } from './activity-context.ts'
import { reuseResult } from './cached-result.ts'
import { isEconomical } from './economy.ts'
import { asStepError, executeActivity, Interrupted, isWait, RunOutOfTime, type TimeLimit } from './execute.ts'
import { type HeldSlot, holdSlot } from './held-slot.ts'
import {
  type Conclude,
  inputsMemory,
  outputsText,
  placeLarge,
  type Recorded,
  recordStep,
  suspectMemory,
} from './record-step.ts'
import { readRecording } from './recording.ts'
import { resolveAsRecorded, takeRecorded } from './replayed-step.ts'
import { resolveParameters, type ShownParameters } from './resolve.ts'
import type { StepAtWork, StepDeps, StepLeft } from './step-at-work.ts'
import { makeStepClock } from './step-clock.ts'
import { MemoryRefused, StepMemory } from './step-memory.ts'
import { errorRecord, rowOf, type StepOutcome, startRowOf } from './step-record.ts'
import { loadInitParams, loadResults, missingResults } from './step-results.ts'
import type { StepPlace, StepRun } from './step-run.ts'
import { type StepSide, taskVersionMessage, warningEvent } from './step-side.ts'
import { makeStorageWait } from './storage-wait.ts'
import { openStepCalls } from './tools/step-calls.ts'
import { makeStepTools } from './tools/step-tools.ts'
import { isWithheld, takeRecordedEffect } from './trial-step.ts'

/** A pause of at least this length releases the slot, and is recorded; a shorter one is not worth it. */
const restFromMs = 1_000
/** Recorded attempts of one step; of more the last ones. */
const mostAttempts = 50

const kinds = new Set<string>(Object.values(attemptMessages))

/** Records an attempt that ended, and that another one follows. */
const note = ({ side }: StepAtWork, message: StepLog, attributes: AttemptAttributes): AttemptAttributes => {
  const recorded = side.warnings.filter(({ type }) => kinds.has(type))
  const [oldest] = recorded
  if (oldest && recorded.length >= mostAttempts) side.warnings.splice(side.warnings.indexOf(oldest), 1)
  side.warnings.push({ ...message, attributes: { ...attributes } })
  return side.warnings.at(-1)?.attributes as unknown as AttemptAttributes
}

const messageOf = (type: string, message: string): Omit<StepLog, 'attributes'> => ({
  timestamp: timestamp(new Date(now())),
  level: 'warning',
  type,
  message,
})

const startOf = ({ place, row, side }: StepAtWork): string =>
  attemptsAmong(side.warnings).at(-1)?.next_started ?? timestamp(place.started ?? new Date(row.startedMs))

/**
 * Waits between two attempts, after recording the failed one. A long wait holds no slot. If this process was paused
 * meanwhile, another one may have taken the run. Rejects when the signal fires, and when the run has used up its
 * working time.
 */
const pauseIn =
  (work: StepAtWork, held: HeldSlot) =>
  async (failed: AppError, milliseconds: number, signal: AbortSignal): Promise<void> => {
    const { engine, lease, run, place, startRow } = work
    const isLong = milliseconds >= restFromMs
    const isRest = isLong || place.step.options.retry !== undefined
    if (isRest) held.give()
    if (isRest && run.workMs >= engine.limits.runTimeoutSeconds * 1000) throw new RunOutOfTime()
    const dueMs = Math.round(now() + milliseconds)
    const attempt = noteFailed(work, failed, dueMs)
    if (isLong) startRow.waitForAttempt(place.attempt + 1, dueMs)
    await delay(milliseconds, undefined, { signal })
    if (isRest) {
      await held.take()
      await engine.confirmLease(lease)
    }
    attempt.next_started = timestamp(new Date(now()))
  }

/**
 * Counts the recorded attempts that failed of a step that a worker or a batch carried out. Steps that ask for nothing else
 * while they wait, as a poll of a service does, count the failures since their last wait.
 */
const failedJobs = ({ run, place, side }: StepAtWork): number =>
  place.step.activity.category === 'workers' || isEconomical(run, place.step)
    ? attemptsAmong(side.warnings).filter(({ error_detail: error }) => error !== null).length
    : 0

const noteFailed = (work: StepAtWork, failed: AppError, dueMs: number): AttemptAttributes => {
  const { run, place } = work
  const error = JSON.parse(errorRecord(failed, run.environment.scrub.text)) as ErrorRecord
  const text = `Attempt ${place.attempt} of step '${place.name}' failed: ${error.message}`
  const message = messageOf(attemptMessages.retried, text)
  return note(
    work,
    { ...message, attributes: {} },
    {
      attempt: place.attempt,
      started: startOf(work),
      ended: message.timestamp,
      error_detail: error,
      next_at: timestamp(new Date(dueMs)),
      next_started: null,
    },
  )
}

/**
 * Records that an attempt ended with its process before it began an effect outside, so that the next one may repeat it.
 * Without this record it looks like one whose process died.
 */
const noteReleased = async (work: StepAtWork): Promise<void> => {
  const { place, row, side, startRow, hasBegun } = work
  // If the step waits or is between two attempts, its row already says how it goes on.
  const isPaused = row.wakeMs !== null || attemptsAmong(side.warnings).at(-1)?.attempt === place.attempt
  if (hasBegun || isPaused || !startRow.isWritten()) return
  const message = messageOf(
    attemptMessages.interrupted,
    `Attempt ${place.attempt} of step '${place.name}' was interrupted: its process stopped`,
  )
  const attempt = { attempt: place.attempt, started: startOf(work), ended: message.timestamp }
  note(work, { ...message, attributes: {} }, { ...attempt, error_detail: null, next_at: null, next_started: null })
  await startRow.write().catch(() => {})
}

const attemptsBefore = queryOne(
  'attempts_before',
  { warnings: orNull(text), usage: orNull(text), attempt: int, waiting: bool },
  'select warnings, usage, attempt, wake_at is not null as waiting from steps where run_id = $1 and seq = $2',
  (key: string, seq: number) => [key, seq],
)

/** Whether an earlier owner of the run may have recorded which version of a task the runs of the step execute. */
const mayHaveVersion = ({ place: { started, step } }: StepAtWork): boolean =>
  started !== undefined && (step.activity.startsTask !== undefined || step.tools.length > 0)

/** Reads back the attempts of a step that an earlier owner of the run began, and the versions that it recorded. */
const restoreMessages = async (work: StepAtWork): Promise<void> => {
  const { engine, run, place, side } = work
  const row = await attemptsBefore(engine.database, run.key, place.seq)
  if (!row) return
  if (row.usage !== null) side.usage = JSON.parse(row.usage) as StepUsage
  const messages = row.warnings === null ? [] : (JSON.parse(row.warnings) as StepLog[])
  side.warnings.push(...messages.filter(({ type }) => kinds.has(type) || type === taskVersionMessage))
  const begins = timestamp(new Date(now()))
  const last = attemptsAmong(side.warnings).at(-1)
  if (last?.attempt === place.attempt - 1) last.next_started ??= begins
  if (row.waiting || row.attempt >= place.attempt || last?.attempt === row.attempt) return
  const text = `Attempt ${row.attempt} of step '${place.name}' was interrupted: its process ended`
  note(
    work,
    { ...messageOf(attemptMessages.interrupted, text), attributes: {} },
    {
      attempt: row.attempt,
      started: startOf(work),
      ended: null,
      error_detail: null,
      next_at: null,
      next_started: begins,
    },
  )
}

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
  const endsRun = error.code === 'replay_diverged' || error.code === 'effect_withheld'
  const mayGoOn = !(error instanceof RunOutOfTime) && !endsRun
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
  if (work.place.attempt > 1 || mayHaveVersion(work)) await restoreMessages(work)
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
    : isWithheld(run, place, resolved.parameters)
      ? await takeRecordedEffect(work, shown)
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
  let before: Pick<StepSide, 'usage'> & { messages: number } = { messages: side.warnings.length, usage: side.usage }
  const result = await executeActivity({
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
        initParams,
        carryOutRunbook: engine.carryOutFor(work, held, attempt, signal),
        runScript: engine.runScriptFor(work, held, attempt, signal),
        recordStart() {
          if (signal().aborted) throw new Interrupted(place.name) // it is given up, and may begin nothing
          work.hasBegun = true
          return startRow.write()
        },
      }
      const onceStored = makeStorageWait(work, held, signal, clock)
      before = { messages: side.warnings.length, usage: side.usage }
      const { leftSeconds } = timeLimit
      const contextOf = (own: StepSide, other: OwnContext, until = signal): ActivityContext =>
        activityContext(engine, run, place, own, attempt, leftSeconds, until, more, room, onceStored, other)
      const tools = calls && makeStepTools({ work, calls, parameters: resolved.parameters, signal, contextOf })
      return contextOf(side, { tools })
    },
  })
  if (result instanceof WaitForBatch) {
    // It is carried out anew, with the same messages and calls.
    side.warnings.splice(before.messages)
    side.usage = before.usage
  }
  return result
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
    if (run.replayOf !== null || run.trial !== null || place.step.options.cache) return shown
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
