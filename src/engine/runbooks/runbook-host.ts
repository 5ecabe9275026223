import type { ActivityContext } from '../../activities/activity.ts'
import { AppError } from '../../lib/errors.ts'
import type { FileSource } from '../../model/file-source.ts'
import type { NewAgentEvent, ResultFile, RunbookHost, RunbookOutcome } from '../../model/runbooks/runbook-run.ts'
import { inside } from '../../model/runbooks/sandbox.ts'
import { stepFilePath } from '../../store/files/storage-path.ts'
import { Fenced } from '../journal/journal.ts'
import { confirmLease } from '../leases/heartbeat.ts'
import { fileOf, mediaObject, warningEvent } from '../steps/activity-context.ts'
import { Interrupted, RunOutOfTime } from '../steps/execute.ts'
import { callerOf, stepModels } from '../steps/model-rules.ts'
import type { HeldSlot, StepAtWork } from '../steps/step.ts'
import { openEventLog } from './event-log.ts'
import { countEnd, runClock } from './runbook-clock.ts'
import { scrubbedFile } from './scrubbed-file.ts'

/** How often it is looked whether somebody else has the run: its agent is not to go on. */
const lookMs = 500

/** Lets a runbook be carried out as one step of a run: its keys, files, time and costs, and who is told of it. */
export const carryOutFor =
  (work: StepAtWork, held: HeldSlot, attempt: number, signal: () => AbortSignal): ActivityContext['carryOutRunbook'] =>
  async (request) => {
    const { engine, place, startRow } = work
    startRow.cancel()
    await startRow.write() // so that whoever has the run next knows of this sandbox
    const stop = new AbortController()
    let stopped: Stopped | undefined
    const stopFor = (reason: Stopped) => {
      stopped ??= reason
      stop.abort()
    }
    const onFenced = (fenced: Fenced) => stopFor(fenced)
    const events = await openEventLog(work, onFenced)
    const watch = watchLease(work, onFenced)
    const clock = runClock(work, held, () => stopFor(new RunOutOfTime()))
    // A server that stops begins nothing new: what only waits is left to whoever has the run next.
    const leave = () => clock.isWaiting && stopFor(new Interrupted(place.name))
    const isLeft = () => work.isOver || (stopped !== undefined && !(stopped instanceof RunOutOfTime))
    const tell = (event: NewAgentEvent) => {
      if (isLeft()) return // whoever has the run next tells how it ends
      if (event.type === 'phase') event.phase === 'waiting' ? clock.rest() : clock.goOn()
      if (engine.stopping.aborted) leave()
      events.add(event)
    }
    clock.goOn()
    engine.runbooks.underWay.add(clock)
    engine.stopping.addEventListener('abort', leave)
    try {
      const host = await hostOf(work, attempt, AbortSignal.any([signal(), stop.signal]), watch.confirm, tell)
      const outcome = await engine.carryOutRunbook(request, host)
      if (stopped && !(stopped instanceof RunOutOfTime)) throw stopped
      const told = stopped ? outOfTime(outcome, stopped) : outcome
      countEnd(engine.runbooks, told.failure?.reason ?? 'completed')
      return told
    } catch (error) {
      throw stopped ?? error
    } finally {
      engine.stopping.removeEventListener('abort', leave)
      engine.runbooks.underWay.delete(clock)
      clock.end()
      watch.end()
      await events.close() // before the step is recorded; who has lost the run finds out here at the latest
    }
  }

/** Why a runbook is ended that nobody has asked to end. */
type Stopped = Fenced | RunOutOfTime | Interrupted

/** Looks whether somebody else has the run by now: then its agent is not to go on, nor to ask a model. */
const watchLease = ({ engine, lease }: StepAtWork, onFenced: (fenced: Fenced) => void) => {
  const confirm = async (): Promise<void> => {
    try {
      await confirmLease(engine, lease)
    } catch (error) {
      if (error instanceof Fenced) onFenced(error)
      throw error
    }
  }
  let isLooking = false
  const look = async () => {
    if (isLooking) return
    isLooking = true
    await confirm().catch(() => {}) // Postgres is away: asked again
    isLooking = false
  }
  const timer = setInterval(() => void look(), lookMs)
  return { confirm, end: () => clearInterval(timer) }
}

const outOfTime = (outcome: RunbookOutcome, { message, hint }: RunOutOfTime): RunbookOutcome =>
  outcome.failure
    ? { ...outcome, failure: { reason: 'timed_out', message, ...(hint !== undefined && { hint }) } }
    : outcome

const hostOf = async (
  work: StepAtWork,
  attempt: number,
  signal: AbortSignal,
  confirm: () => Promise<void>,
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
    owner: String(collectionId),
    caller: {
      ...caller,
      async admit(call) {
        await confirm()
        await (await callerNow()).admit?.(call) // what the collection allows may change while it goes on
      },
    },
    secretParams: environment.secretNames,
    paid: async ({ usd, tokens }) => {
      if (usd !== null || tokens > 0) await engine.rules.spend({ collectionId, runKey, usd, tokens })
    },
    chat: stepModels(engine, run, () => signal, warn).chat,
    openFile: (path) => openInput(work, path),
    keep: (file, keepAs, kind) => keepResult(work, attempt, file, keepAs, kind),
    tell,
    scrub: environment.scrub.text,
    scrubFile: (file) => scrubbedFile(file, environment.scrub),
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

/** Its path has the one that it had in the sandbox. */
const keepResult = async (
  work: StepAtWork,
  attempt: number,
  file: FileSource,
  keepAs: string,
  kind?: 'log',
): Promise<ResultFile> => {
  const { engine, run, place, side } = work
  const stored = await engine.objects.put(file.open(), { maxBytes: Number.MAX_SAFE_INTEGER })
  if (work.isOver || place.attempt !== attempt) {
    await engine.objects.remove([stored.id]).catch(() => {})
    throw new AppError('cancelled', `Step '${place.name}' is over`)
  }
  const name = keepAs.slice(keepAs.lastIndexOf('/') + 1)
  const where = kind === 'log' ? keepAs : `${inside.results}/${keepAs}`
  const path = stepFilePath({ ...run, step: place.name, index: side.files.length, name: where })
  const { content_type: contentType } = file
  side.files.push({ path, object: stored.id, name, contentType, size: stored.size })
  return { ...mediaObject(path, name, contentType, stored.size), relative_path: keepAs }
}
