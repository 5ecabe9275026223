import type { ActivityContext } from '../../activities/activity.ts'
import { type JoinedText, makeJoinedText } from '../../lib/text/joined-text.ts'
import type { TraceSampler } from '../../lib/text/trace-context.ts'
import type { ModelCalls } from '../../model/gateway/model-calls.ts'
import type { CarryOutRunbook, NewAgentEvent, RunbookHost, RunbookOutcome } from '../../model/runbooks/runbook-run.ts'
import type { RunScript, ScriptHost } from '../../model/scripts/script-run.ts'
import type { Queries } from '../../store/database/database.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'
import type { Fenced } from '../journal/journal-sender.ts'
import type { Heartbeat } from '../leases/heartbeat.ts'
import { traceOfStep } from '../leases/run-keys.ts'
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
  traceSampler: TraceSampler | undefined
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
    const host = await runbookHostOf(deps, work, {
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

const runbookHostOf = async (
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
    trace: traceOfStep(deps.traceSampler, run, place.seq),
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

type Stream = 'stdout' | 'stderr'

interface OutputLog {
  add(stream: Stream, text: string): void
  /** Resolves when all that was recorded is on disk. Throws Fenced. */
  close(): Promise<void>
}

/** A script that ends sooner leaves no events: its outputs have what it printed, and most scripts are short. */
const firstMs = 500
const flushMs = 200
/** Maximum characters of one event. */
const longestText = 8 * 1024
/** Above so many waiting characters, as during an outage of Postgres, output is left out here; the outputs have its end. */
const mostWaiting = 1024 * 1024

/** Records what a script prints while it works, as events of its step. */
const makeOutputLog = (deps: EventLogDeps, work: StepAtWork, onFenced: (fenced: Fenced) => void): OutputLog => {
  let waiting: { stream: Stream; text: JoinedText }[] = []
  let waitingCharacters = 0
  let leftOut = 0
  let opening: ReturnType<typeof openEventLog> | undefined
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  const flush = async (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    opening ??= openEventLog(deps, work, onFenced)
    const log = await opening
    const [parts, left] = [waiting, leftOut]
    waiting = []
    waitingCharacters = 0
    leftOut = 0
    for (const { stream, text } of parts) log.add({ type: 'output', stream, text: text.take() })
    if (left > 0) {
      const message = `Output left out, since it came faster than it could be written: ${left} characters`
      log.add({ type: 'warning', message })
    }
  }

  const keep = (stream: Stream, text: string): void => {
    waitingCharacters += text.length
    const last = waiting.at(-1)
    if (last?.stream === stream && last.text.length + text.length <= longestText) {
      last.text.add(text)
      return
    }
    const joined = makeJoinedText()
    joined.add(text)
    waiting.push({ stream, text: joined })
  }

  return {
    add(stream, text) {
      if (isClosed) return
      const isFull = waitingCharacters + text.length > mostWaiting
      if (isFull) leftOut += text.length
      else keep(stream, text)
      // A failure is thrown by `close`.
      timer ??= setTimeout(() => void flush().catch(() => {}), opening ? flushMs : firstMs)
    },
    async close() {
      isClosed = true
      clearTimeout(timer)
      if (!opening) return
      await flush()
      await (await opening).close()
    },
  }
}

interface ScriptDeps extends EventLogDeps {
  objects: ObjectStore
  rules: Pick<ModelRules, 'allowedHosts'>
  traceSampler: TraceSampler | undefined
  confirmLease: Heartbeat['confirm']
  runScript: RunScript
}

/** Makes the function that runs a script as one step of a run. It is killed once another process has the run. */
export const makeRunScriptFor =
  (deps: ScriptDeps): StepDeps['runScriptFor'] =>
  (work, held, attempt, signal) =>
  async (request) => {
    const stop = new AbortController()
    let fenced: Fenced | undefined
    const leave = (error: Fenced) => {
      fenced ??= error
      stop.abort()
    }
    const watch = watchLease(deps, work.lease, leave)
    const log = makeOutputLog(deps, work, leave)
    try {
      const over = AbortSignal.any([signal(), stop.signal])
      const outcome = await deps.runScript(request, {
        ...scriptHostOf(deps, work, held, attempt, over),
        printed: log.add,
      })
      await log.close() // before the step is recorded
      if (fenced) throw fenced
      return outcome
    } catch (error) {
      throw fenced ?? error
    } finally {
      watch.end()
      await log.close().catch(() => {}) // its error, if any, is thrown already
    }
  }

const scriptHostOf = (
  deps: ScriptDeps,
  work: StepAtWork,
  held: HeldSlot,
  attempt: number,
  signal: AbortSignal,
): Omit<ScriptHost, 'printed'> => {
  const { run, place } = work
  const { scrub } = run.environment
  const onceStored = makeStorageWait(work, held, () => signal)
  return {
    id: `${run.trajectoryId}-${place.seq}`,
    owner: run,
    trace: traceOfStep(deps.traceSampler, run, place.seq),
    allowedHosts: () => deps.rules.allowedHosts(run.collectionId),
    openFile: (path) => openInput(deps, work, path, onceStored),
    keep: (file, keepAs) => keepSandboxFile(deps, work, { attempt, onceStored }, file, keepAs),
    scrub: scrub.text,
    scrubStream: () => scrub.bytes(),
    scrubFile: (file) => scrubbedFile(file, scrub),
    waiting() {
      held.give()
      return async () => void (await held.take())
    },
    signal,
  }
}
