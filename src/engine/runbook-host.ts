import type { ActivityContext } from '../activities/activity.ts'
import { AppError } from '../lib/errors.ts'
import { longestTimerMs } from '../lib/time.ts'
import type { FileSource } from '../model/file-source.ts'
import type { NewAgentEvent, ResultFile, RunbookHost, RunbookOutcome } from '../model/runbook-run.ts'
import { stepFilePath } from '../store/storage-path.ts'
import { fileOf, mediaObject, warningEvent } from './activity-context.ts'
import { type EventLog, openEventLog } from './event-log.ts'
import { RunOutOfTime } from './execute.ts'
import { Fenced } from './journal.ts'
import { callerOf, stepModels } from './model-rules.ts'
import type { HeldSlot, StepAtWork } from './step.ts'

/** How often it is looked whether somebody else has the run: its agent is not to go on. */
const lookMs = 500

/** Lets a runbook be carried out as one step of a run: its keys, files, time and costs, and who is told of it. */
export const carryOutFor =
  (work: StepAtWork, held: HeldSlot, attempt: number, signal: () => AbortSignal): ActivityContext['carryOutRunbook'] =>
  async (request) => {
    const { engine, lease, startRow } = work
    startRow.cancel()
    await startRow.write() // so that whoever has the run next knows of this sandbox
    const events = await openEventLog(work, attempt)
    const stop = new AbortController()
    let stopped: Fenced | RunOutOfTime | undefined
    const stopFor = (reason: Fenced | RunOutOfTime) => {
      stopped ??= reason
      stop.abort()
    }
    const looking = setInterval(() => lease.lost && stopFor(new Fenced(lease.id)), lookMs)
    const clock = runClock(work, held, () => stopFor(new RunOutOfTime()))
    const tell = (event: NewAgentEvent) => {
      if (event.type === 'phase') event.phase === 'waiting' ? clock.rest() : clock.goOn()
      events.add(event)
    }
    clock.goOn()
    engine.runbooks.add(clock)
    try {
      const host = await hostOf(work, attempt, AbortSignal.any([signal(), stop.signal]), tell)
      const outcome = await engine.carryOutRunbook(request, host)
      if (stopped instanceof Fenced) throw stopped
      return stopped ? outOfTime(outcome, stopped) : outcome
    } catch (error) {
      throw stopped ?? error
    } finally {
      engine.runbooks.delete(clock)
      clock.end()
      clearInterval(looking)
      await settle(events)
    }
  }

/** Events are told before the step is recorded; who has lost the run finds out here at the latest. */
const settle = (events: EventLog): Promise<void> => events.close()

const outOfTime = (outcome: RunbookOutcome, { message, hint }: RunOutOfTime): RunbookOutcome =>
  outcome.failure
    ? { ...outcome, failure: { reason: 'timed_out', message, ...(hint !== undefined && { hint }) } }
    : outcome

/** The time of the run, which does not pass while a runbook waits for a place; nor does it hold a slot then. */
export interface RunClock {
  readonly isWaiting: boolean
  rest(): void
  goOn(): void
  end(): void
}

const runClock = ({ engine, run }: StepAtWork, held: HeldSlot, onOver: () => void): RunClock => {
  let timer: NodeJS.Timeout | undefined
  let isWaiting = false
  return {
    get isWaiting() {
      return isWaiting
    },
    rest() {
      isWaiting = true
      clearTimeout(timer)
      timer = undefined
      held.give()
    },
    goOn() {
      if (isWaiting) void held.take()
      isWaiting = false
      const left = Math.max(0, engine.limits.runTimeoutSeconds * 1000 - run.workMs)
      if (left <= longestTimerMs) timer ??= setTimeout(onOver, left)
    },
    end: () => clearTimeout(timer),
  }
}

const hostOf = async (
  work: StepAtWork,
  attempt: number,
  signal: AbortSignal,
  tell: RunbookHost['tell'],
): Promise<RunbookHost> => {
  const { engine, run, place, side } = work
  const { collectionId, key: runKey, environment } = run
  const warn: ActivityContext['warn'] = (message, attributes) => side.warnings.push(warningEvent(message, attributes))
  const callerNow = () => callerOf(engine, run, () => signal, warn)
  const { signal: _, ...caller } = await callerNow()
  const isAlone = run.program.steps.filter(({ activity }) => activity.carriesOut === 'runbook').length < 2
  return {
    id: isAlone ? run.trajectoryId : `${run.trajectoryId}-${place.seq}`,
    // What the collection allows may change while it goes on.
    caller: { ...caller, admit: async (call) => (await callerNow()).admit?.(call) },
    secretParams: environment.secretNames,
    paid: async ({ usd, tokens }) => {
      if (usd !== null || tokens > 0) await engine.rules.spend({ collectionId, runKey, usd, tokens })
    },
    chat: stepModels(engine, run, () => signal, warn).chat,
    openFile: (path) => openInput(work, path),
    keep: (file, keepAs) => keepResult(work, attempt, file, keepAs),
    tell,
    scrub: environment.scrub.text,
    isRepeated: attempt > 1,
    signal,
  }
}

const openInput = async ({ engine, run }: StepAtWork, path: string): Promise<FileSource> => {
  const { object, name, content_type, size } = await fileOf(engine, run, path)
  return {
    name,
    content_type,
    size,
    async *open() {
      yield* (await engine.objects.open(object)).stream
    },
  }
}

/** Its path ends with its own name, by which people pick it; bytes are kept as they are, secrets included. */
const keepResult = async (work: StepAtWork, attempt: number, file: FileSource, keepAs: string): Promise<ResultFile> => {
  const { engine, run, place, side } = work
  const stored = await engine.objects.put(file.open(), { maxBytes: Number.MAX_SAFE_INTEGER })
  if (work.isOver || place.attempt !== attempt) {
    await engine.objects.remove([stored.id]).catch(() => {})
    throw new AppError('cancelled', `Step '${place.name}' is over`)
  }
  const name = keepAs.slice(keepAs.lastIndexOf('/') + 1)
  const path = stepFilePath({ ...run, step: place.name, index: side.files.length, name: keepAs })
  const { content_type: contentType } = file
  side.files.push({ path, object: stored.id, name, contentType, size: stored.size })
  return { ...mediaObject(path, name, contentType, stored.size), relative_path: keepAs }
}
