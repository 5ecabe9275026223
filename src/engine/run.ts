import { WaitUntil } from '../activities/activity.ts'
import { AppError } from '../lib/errors.ts'
import { stepFailed } from '../model/step-failed.ts'
import type { RunStatus } from '../model/workflow.ts'
import { placeValue } from '../store/payloads.ts'
import { activityContext, type StepSide, warningEvent } from './activity-context.ts'
import type { EngineContext, LiveRun } from './context.ts'
import { asStepError, executeActivity, Interrupted } from './execute.ts'
import { confirmLease } from './heartbeat.ts'
import { Fenced } from './journal.ts'
import type { Entry, LeaseRef, StepRow } from './journal-entry.ts'
import { wait } from './park.ts'
import type { ProgramStep } from './program.ts'
import { resolveStep, type Scope } from './resolve.ts'
import { loadResults, sectionsOf } from './results.ts'
import { checkSize, endOf, errorRecord, type StepOutcome } from './step-record.ts'
import { suspectedFrom } from './suspects.ts'

/** How the loop left a run: ended for good, or to be continued by somebody (parked, handed over, taken over). */
export type RunLeft = RunStatus | 'parked' | 'released' | 'fenced'

/** A step that is still running after this long gets a start row, so that it can be seen. */
const startRowAfterMs = 100

/** Carries a run on from where it stands until it ends or has to be left to somebody else. Never throws. */
export const carryOn = async (engine: EngineContext, lease: LeaseRef, run: LiveRun): Promise<RunLeft> => {
  engine.live.set(run.key, run)
  try {
    return await loop(engine, lease, run)
  } catch (error) {
    if (error instanceof Fenced) return 'fenced'
    engine.log.error({ err: error, run: run.trajectoryId }, 'run interrupted; it resumes when its lease is taken again')
    return 'released'
  } finally {
    engine.live.delete(run.key)
  }
}

const loop = async (engine: EngineContext, lease: LeaseRef, run: LiveRun): Promise<RunLeft> => {
  const { steps, problems } = run.program
  if (problems.length > 0) {
    return end(engine, lease, run, 'failed', run.environment.scrub.text(problems.slice(0, 5).join('; ')))
  }
  for (let step = steps[run.next]; step; step = steps[run.next]) {
    if (run.requested) return endAsRequested(engine, lease, run, step)
    if (engine.stopping.aborted) return 'released'
    const left = await runStep(engine, lease, run, step)
    if (left) return left
  }
  return end(engine, lease, run, 'completed', null)
}

const end = async (
  engine: EngineContext,
  lease: LeaseRef,
  run: LiveRun,
  status: RunStatus,
  error: string | null,
): Promise<RunStatus> => {
  await engine.journal.add({ lease, end: { runKey: run.key, status, error, endedMs: Date.now() } })
  engine.onEnd(run.key)
  return status
}

/** A start row that a dead owner left behind is closed together with the run. */
const endAsRequested = async (
  engine: EngineContext,
  lease: LeaseRef,
  run: LiveRun,
  step: ProgramStep,
): Promise<RunStatus> => {
  const status = run.requested ?? 'cancelled'
  if (!run.started) return end(engine, lease, run, status, requestedError(status))
  const now = Date.now()
  const row = stepRow(run, step, { startedMs: run.started.getTime(), inputs: null })
  await engine.journal.add({
    lease,
    step: { ...row, status: 'cancelled', attempt: Math.max(1, run.attempt - 1), endedMs: now },
    end: { runKey: run.key, status, error: requestedError(status), endedMs: now },
  })
  engine.onEnd(run.key)
  return status
}

const requestedError = (status: RunStatus): string | null =>
  status === 'cancelled' ? 'Cancelled on request' : status === 'failed' ? 'Marked as failed on request' : null

const stepRow = (
  run: LiveRun,
  step: ProgramStep,
  given: { startedMs: number; inputs: string | null; inputsPayload?: string | null },
): StepRow => ({
  runKey: run.key,
  taskId: run.taskId,
  seq: step.seq,
  name: step.name,
  status: 'running',
  attempt: run.attempt,
  inputs: given.inputs,
  outputs: null,
  inputsPayload: given.inputsPayload ?? null,
  outputsPayload: null,
  error: null,
  warnings: null,
  origin: null,
  workMs: run.workMs,
  startedMs: given.startedMs,
  wakeMs: null,
  endedMs: null,
})

/** Resolve → execute → record, in this order; the next step starts when the record is on disk. */
const runStep = async (
  engine: EngineContext,
  lease: LeaseRef,
  run: LiveRun,
  step: ProgramStep,
): Promise<RunLeft | undefined> => {
  const side: StepSide = { files: [], warnings: step.warnings.map((text) => warningEvent(text)) }
  const suspect = run.deaths >= suspectedFrom ? await engine.suspects.enter(run.deaths) : undefined
  let start: Entry | undefined
  try {
    const slot = engine.slots.acquire()
    if (slot) await slot
    let held = true
    const release = () => {
      if (held) engine.slots.release()
      held = false
    }
    const startedMs = Date.now()
    run.started ??= new Date(startedMs)
    const row = stepRow(run, step, { startedMs: run.started.getTime(), inputs: null })
    const writeStart = () => {
      if (start) engine.journal.withdraw(start)
      start = { lease, step: { ...row, warnings: warningsText(run, side) } }
      return engine.journal.add(start)
    }
    let timer: NodeJS.Timeout | undefined
    let outcome: StepOutcome
    try {
      if (engine.stopping.aborted) return 'released'
      const missing = missingResults(run, step)
      if (missing.length > 0) await loadResults(engine, run, missing)
      const resolved = resolve(run, step)
      for (const text of resolved.warnings) side.warnings.push(warningEvent(text))
      const inputs = await placeValue(engine.database, run.key, resolved.shown)
      row.inputs = inputs.text
      row.inputsPayload = inputs.payload
      if (suspect) await writeStart()
      else timer = setTimeout(() => void writeStart().catch(() => {}), startRowAfterMs)
      await confirmLease(engine, lease)
      const timeLimit = timeLimitOf(engine, run, step)
      const workBefore = run.workMs
      const result = await executeActivity({
        step,
        parameters: resolved.parameters,
        run,
        timeLimit,
        context(attempt, signal) {
          discardFiles(engine, side) // of a try that failed
          return activityContext(engine, run, step, side, attempt, timeLimit.seconds, signal)
        },
      })
      run.workMs = workBefore + Date.now() - startedMs
      row.attempt = run.attempt
      let outputs = result
      if (result instanceof WaitUntil) {
        release()
        suspect?.()
        clearTimeout(timer)
        row.wakeMs = result.until.getTime()
        const waited = await wait({ engine, lease, run, row, until: result.until, writeStart })
        if (waited !== 'over') return waited
        row.wakeMs = null
        outputs = result.outputs
      }
      const text = run.environment.scrub.json(outputs)
      outcome = {
        status: 'completed',
        outputs: checkSize(text, engine.limits.maxOutputBytes, step.name),
        error: undefined,
      }
    } catch (thrown) {
      if (thrown instanceof Fenced) throw thrown
      if (thrown instanceof Interrupted && !run.requested) return 'released'
      const error = asStepError(thrown)
      if (error.code === 'database_unavailable') return 'released' // it stops while Postgres is away
      row.wakeMs = null
      outcome = { status: run.requested ? 'cancelled' : 'failed', outputs: null, error }
      row.attempt = run.attempt
    } finally {
      clearTimeout(timer)
      release()
    }
    if (start) engine.journal.withdraw(start)
    return await record(engine, lease, run, step, row, outcome, side)
  } finally {
    suspect?.()
  }
}

const discardFiles = (engine: EngineContext, side: StepSide): void => {
  if (side.files.length === 0) return
  const objects = side.files.splice(0).map((file) => file.object)
  void engine.objects.remove(objects).catch(() => {})
}

const timeLimitOf = (engine: EngineContext, run: LiveRun, step: ProgramStep) => {
  const { stepTimeoutSeconds, runTimeoutSeconds } = engine.limits
  const seconds = step.timeoutSeconds ?? step.activity.timeoutSeconds ?? stepTimeoutSeconds
  const left = Math.max(0, runTimeoutSeconds - run.workMs / 1000)
  return left < seconds ? { seconds: left, of: 'run' as const } : { seconds, of: 'step' as const }
}

/** The earlier steps that a step reads and that are not in memory. */
const missingResults = (run: LiveRun, step: ProgramStep): number[] =>
  step.dependsOn.map((name) => run.program.seqOf.get(name) ?? -1).filter((seq) => !run.results.has(seq))

/** The parameters of a step, and their JSON text as it may be shown. */
const resolve = (run: LiveRun, step: ProgramStep) => {
  const scope: Scope = {
    initParams: run.initParams,
    step: (name) => sectionsOf(run, name),
    env: (name) => run.environment.get(name),
  }
  const { parameters, warnings } = resolveStep(step, scope)
  const visible = step.usesEnvironment
    ? resolveStep(step, { ...scope, env: (name) => (run.environment.get(name) === undefined ? undefined : '***') })
        .parameters
    : parameters
  const masked = step.activity.secret.filter((name) => visible[name] !== undefined).map((name) => [name, '***'])
  return {
    parameters,
    warnings,
    shown: run.environment.scrub.json(masked.length > 0 ? { ...visible, ...Object.fromEntries(masked) } : visible),
  }
}

const warningsText = (run: LiveRun, side: StepSide): string | null =>
  side.warnings.length === 0 ? null : run.environment.scrub.json(side.warnings)

/** Writes a finished step down, and with the last one the end of the run. */
const record = async (
  engine: EngineContext,
  lease: LeaseRef,
  run: LiveRun,
  step: ProgramStep,
  row: StepRow,
  outcome: StepOutcome,
  side: StepSide,
): Promise<RunStatus | undefined> => {
  const status = endOf(outcome, step.seq === run.program.steps.length - 1)
  const scrub = run.environment.scrub.text
  const outputs = await placeValue(engine.database, run.key, outcome.outputs)
  const endedMs = Date.now()
  row.status = outcome.status
  row.outputs = outputs.text
  row.outputsPayload = outputs.payload
  row.error = outcome.error ? errorRecord(outcome.error, scrub) : null
  row.warnings = warningsText(run, side)
  row.workMs = run.workMs
  row.endedMs = endedMs
  const entry: Entry = { lease, step: row, files: side.files, collectionId: run.collectionId }
  if (status) {
    const asked = run.requested && status !== 'completed' ? run.requested : status
    const error =
      outcome.error && asked === 'failed' && !run.requested
        ? scrub(stepFailed(step.name, outcome.error.message))
        : requestedError(asked)
    entry.end = { runKey: run.key, status: asked, error: asked === 'completed' ? null : error, endedMs }
  }
  try {
    await engine.journal.add(entry)
  } catch (error) {
    if (error instanceof Fenced || outcome.status !== 'completed') throw error
    const refused = new AppError('activity_failed', `The outputs of step '${step.name}' could not be stored`, {
      cause: error,
    })
    return record(engine, lease, run, step, row, { status: 'failed', outputs: null, error: refused }, side)
  }
  if (entry.end) {
    engine.onEnd(run.key)
    return entry.end.status
  }
  remember(run, step, row, outcome)
  return undefined
}

/** Keeps what later steps read, drops what nobody reads any more, and moves on. */
const remember = (run: LiveRun, step: ProgramStep, row: StepRow, outcome: StepOutcome): void => {
  const { lastReader } = run.program
  if ((lastReader.get(step.seq) ?? -1) > step.seq) {
    run.results.set(step.seq, {
      inputs: row.inputs,
      outputs: outcome.outputs,
      status: outcome.status,
      error: null,
    })
  }
  for (const seq of run.results.keys()) if ((lastReader.get(seq) ?? -1) <= step.seq) run.results.delete(seq)
  run.next = step.seq + 1
  run.attempt = 1
  run.started = undefined
  run.deaths = 0
}
