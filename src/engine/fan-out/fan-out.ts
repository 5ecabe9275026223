import { type ChildRun, type ChildRuns, FailedWith, type WaitForRuns } from '../../activities/activity.ts'
import { makeBell } from '../../lib/bell.ts'
import { AppError } from '../../lib/errors.ts'
import { makeSlots, type Slots } from '../../lib/slots.ts'
import { now } from '../../lib/time.ts'
import { findOwnTask } from '../../model/runs/own-tasks.ts'
import { type AskedVersion, askedVersionSchema } from '../../model/version-ref.ts'
import type { Pauses } from '../../store/collections/pauses.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Queries } from '../../store/database/database.ts'
import type { LeaseRef } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import { type EndBelow, whomToAsk } from '../leases/end-below.ts'
import type { EndRequests } from '../leases/end-requests.ts'
import { parametersOf } from '../program/programs.ts'
import { unknownParameters } from '../program/unknown-parameters.ts'
import type { LiveRun } from '../runs/live-run.ts'
import { Interrupted } from '../steps/execute.ts'
import type { StepAtWork } from '../steps/step-at-work.ts'
import type { StepPlace, StepRun } from '../steps/step-run.ts'
import { logLine, type StepSide, taskVersionMessage, warningEvent } from '../steps/step-side.ts'
import { type ChildrenHereDeps, closeHere, makeChildrenHere, mayBeHere } from './children-here.ts'
import { type ChildDeps, type ChildKind, type ChildLimits, prepareChildren } from './fan-out-child.ts'
import { haltLeases, type Parent, readChildren, readProgress } from './fan-out-sql.ts'
import { askAgainMs, type FanOut, remaining } from './fan-out-state.ts'
import { type FanOutWatch, makeFanOutWatch } from './fan-out-watch.ts'
import { makeOpenRuns, type OpenRunLimits } from './open-runs.ts'
import { madeChild, makeStartChildren, type StartChildren } from './start-children.ts'
import { newLeased, type Waiting } from './waiting-steps.ts'

/** Why a fan-out starts no more runs: it has all of them, one failed, the time is over, or the run is ending. */
type Over = 'ended' | 'failed' | 'timed_out' | 'interrupted'

/** Maximum failed runs named in the step's error. */
const mostNamed = 5
/** Maximum characters of each error after the first. */
const shortError = 300

/** Builds the outputs of a step whose runs have ended. A failed step keeps them, so that its runs can be found. */
export const fanOutOutcome = async (
  place: StepPlace,
  wanted: WaitForRuns,
  ended: ChildRun[],
  over: Over,
): Promise<Record<string, unknown> | FailedWith> => {
  const failure = wanted.runs.continueOnError ? undefined : failureOf(place, wanted, ended, over)
  const outputs = await wanted.outputs(ended)
  return failure ? new FailedWith(failure, outputs) : outputs
}

const failureOf = (place: StepPlace, { runs }: WaitForRuns, ended: ChildRun[], over: Over): AppError | undefined => {
  if (over === 'timed_out') return timedOut(place, runs.count, ended)
  const failed = ended.filter(({ status }) => status === 'failed')
  const [first, ...others] =
    failed.length > 0 ? failed : ended.filter(({ status }) => status !== 'completed').slice(0, 1)
  if (!first) return undefined
  const count =
    failed.length > 0 ? `${failed.length} of ${runs.count} runs failed` : `A run of ${runs.count} did not complete`
  const named = others.slice(0, mostNamed - 1).map((run) => describe(run, shortError))
  const more = others.length - named.length
  const text = [`${count}; first: ${describe(first)}`, ...named, ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
  return new AppError('child_failed', text, {
    hint: `GET /api/v1/db/trajectory/${first.name}/${first.trajectory_id} shows the first. outputs.trajectory_references of the step lists all of them.`,
  })
}

const describe = ({ name, trajectory_id: id, index, status, error }: ChildRun, longest?: number): string => {
  const why = error ?? `it is ${status}`
  const shown = longest !== undefined && why.length > longest ? `${why.slice(0, longest)}…` : why
  return `${name} ${id} (item ${index}): ${shown}`
}

const timedOut = ({ name, started }: StepPlace, count: number, ended: ChildRun[]): AppError => {
  const completed = ended.filter(({ status }) => status === 'completed').length
  const seconds = Math.round((now() - (started?.getTime() ?? now())) / 1000)
  return new AppError(
    'timed_out',
    `Step '${name}' timed out after ${seconds} s: ${completed} of ${count} runs had completed`,
    {
      hint: 'Raise timeout_sec of the step, or accept partial results with continue_on_error.',
    },
  )
}

interface FanOuts {
  /**
   * Starts the missing child runs and waits for all of them without a slot. Returns the step's outputs, with the
   * failure if it failed, or `released` when the process stops: the next owner of the run continues.
   */
  waitForRuns(work: StepAtWork, wanted: WaitForRuns): Promise<Outcome>
  /** Reports the end of a run under this lease in this process. */
  ended: FanOutWatch['ended']
  /** Polls at once, since something changed in the database. */
  hurry(): void
}

type Outcome = Record<string, unknown> | FailedWith | 'released'

/** Maximum steps preparing child runs at once: more would exhaust the connections. */
const preparedAtOnce = 3
const readAtOnce = 5_000

interface FanOutDeps extends ChildDeps {
  database: Queries
  shard: number
  /** A paused collection starts no child runs. */
  pauses: Pick<Pauses, 'has'>
  quota: Pick<Quota, 'add' | 'require'>
  limits: ChildLimits & OpenRunLimits
  endBelow: EndBelow
  /** Ends a run in this process. */
  deliver: EndRequests['deliver']
  /** A run of the lease waits for child runs and executes nothing (1), or does again (-1). */
  onWaiting(lease: LeaseRef, by: 1 | -1): void
  /** What carries out child runs before they are written. */
  here: Omit<ChildrenHereDeps, 'watch' | 'makeRun'>
  /** Fires when the process stops taking steps. */
  stopping: AbortSignal
}

/** State shared by the fan-outs of a process. */
interface Shared extends FanOutDeps {
  watch: FanOutWatch
  children: StartChildren
  preparing: Slots
  /** Number of a run's steps waiting here: the run counts as idle once, however many wait. */
  waitingSteps: WeakMap<StepRun, number>
}

export const makeFanOuts = (deps: FanOutDeps): FanOuts => {
  const watch = makeFanOutWatch(deps.database)
  const openRuns = makeOpenRuns(deps.database, deps.limits)
  const { runs, unwritten, journal, environments, quota } = deps.here
  const childrenHere = makeChildrenHere({
    ...{ runs, unwritten, journal, environments, quota, watch },
    makeRun: (fanOut, index) => madeChild(deps, fanOut, index),
  })
  const children = makeStartChildren({ ...deps, watch, openRuns, childrenHere })
  const shared: Shared = {
    ...deps,
    watch,
    children,
    preparing: makeSlots({ total: preparedAtOnce }),
    waitingSteps: new WeakMap(),
  }
  return { waitForRuns: (work, wanted) => waitForRuns(shared, work, wanted), ended: watch.ended, hurry: watch.hurry }
}

const waitForRuns = async (shared: Shared, work: StepAtWork, wanted: WaitForRuns): Promise<Outcome> => {
  const fanOut = await begin(shared, work, wanted).catch((thrown) => unstarted(wanted, thrown))
  return fanOut ? follow(shared, fanOut) : {}
}

/** Tells an activity that asks for it why no run could be started. Throws what is about the step. */
const unstarted = async ({ refused }: WaitForRuns, thrown: unknown): Promise<undefined> => {
  const isRefusal =
    thrown instanceof AppError && !(thrown instanceof Interrupted) && thrown.code !== 'database_unavailable'
  if (!refused || !isRefusal) throw thrown
  await refused(thrown)
}

const follow = async (shared: Shared, fanOut: FanOut): Promise<Outcome> => {
  const { watch } = shared
  const { work, wanted } = fanOut
  const { run } = work
  watch.add(fanOut.waiting)
  countWaiting(shared, work, 1)
  run.interrupts.add(fanOut.bell.ring)
  try {
    const over = await untilOver(shared, fanOut).catch((thrown) => unstarted(wanted, thrown))
    if (over === undefined) return {}
    if (over !== 'released' && run.isTreeEnding) work.hasRuns = false // none is open; the root checks again
    return over === 'released' ? over : await concluded(shared, fanOut, over)
  } catch (thrown) {
    closeHere(fanOut)
    await Promise.all(fanOut.here.underWay) // none is written after the end of the step
    throw thrown
  } finally {
    run.interrupts.delete(fanOut.bell.ring)
    countWaiting(shared, work, -1)
    watch.remove(fanOut.waiting)
  }
}

/** Notes that the step has child runs, and reads what an earlier owner of the run has started. */
const begin = async (shared: Shared, work: StepAtWork, wanted: WaitForRuns): Promise<FanOut> => {
  const { run, place, row, startRow } = work
  const { runs } = wanted
  const parent: Parent = { runKey: run.key, seq: place.seq }
  const kind = await prepare(shared, work, parent, wanted)
  const isFirst = !work.hasRuns
  work.hasRuns = true
  if (!findOwnTask(run.task)) {
    // The answer to the request has told both about a batch or evaluation, which names its version by the index.
    recordVersion(work, runs.task, kind)
    warnOfUnknown(work, kind, runs)
  }
  row.wakeMs = runs.until?.getTime() ?? now() // it only waits, so a crash does not count as its death
  await startRow.write()
  const { missing, next, out, beside, failed } = await readProgress(shared.database, parent)
  const bell = makeBell()
  const waiting: Waiting = {
    ...parent,
    out: new Map(out.map(({ id, share, open }) => [id, newLeased(share, open, true)])),
    paceMs: undefined,
    failed,
    asksForFailure: !runs.continueOnError,
    asksForEnd: false,
    settled: false,
    due: false,
    isSharing: runs.sharesConcurrency,
    beside: new Map(runs.sharesConcurrency ? beside.map(({ id, share }) => [id, share]) : []),
    news: bell.ring,
  }
  const ahead = { missing, next, count: runs.count }
  const notYet = { isAskedAbove: undefined, endingSinceMs: undefined, fullSinceMs: undefined }
  const isHere = isFirst && mayBeHere(run, kind, runs.labels)
  const here = {
    isOn: isHere,
    isClosed: false,
    hasFailed: false,
    clashes: 0,
    live: new Set<LiveRun>(),
    underWay: new Set<Promise<void>>(),
    ended: new Map<number, ChildRun>(),
  }
  return { work, wanted, kind, ahead, waiting, bell, here, ...notYet }
}

/** Items that are looked at for parameters that their task does not have. */
const lookedThrough = 20

function* firstParameters({ onlyIndex, count, initParams }: ChildRuns) {
  if (onlyIndex !== undefined) yield initParams(onlyIndex)
  else for (let index = 0; index < Math.min(count, lookedThrough); index++) yield initParams(index)
}

/** Warns about parameters that the runs do not use, from the first items: the same ones whenever the step goes on. */
const warnOfUnknown = ({ side }: StepAtWork, { name, program }: ChildKind, runs: ChildRuns): void => {
  const task = name.slice(name.indexOf('/') + 1)
  const found = unknownParameters(parametersOf(program), firstParameters(runs), { task, field: 'init_params' })
  for (const { message, ...attributes } of found) {
    if (!side.warnings.some((one) => one.message === message)) side.warnings.push(warningEvent(message, attributes))
  }
}

/** Records which version of a task the step runs, before the first run: after a crash its tag may have moved. */
const recordVersion = ({ run, side }: StepAtWork, written: string, { name, version }: ChildKind): void => {
  if (version === null || recordedVersion(run, side, written)) return
  const task = name.slice(name.indexOf('/') + 1)
  const attributes = { written: run.environment.scrub.text(written), ...version }
  const message = `Runs of ${task} execute version ${version.index} (${version.ref})`
  side.warnings.push({ ...logLine('info', message), type: taskVersionMessage, attributes })
}

/** The version of a task that the step has recorded for what is written in its parameters. */
const recordedVersion = (run: StepRun, { warnings }: StepSide, written: string): AskedVersion | undefined => {
  const shown = run.environment.scrub.text(written)
  const found = warnings.find(({ type, attributes }) => type === taskVersionMessage && attributes.written === shown)
  return found && askedVersionSchema.safeParse(found.attributes).data
}

/** Payers take turns. A run that is asked to end meanwhile prepares nothing. */
const prepare = async (
  shared: Shared,
  { run, place, side }: StepAtWork,
  parent: Parent,
  wanted: WaitForRuns,
): Promise<ChildKind> => {
  const { preparing, stopping } = shared
  await preparing.acquire(run)
  try {
    if (run.requested || stopping.aborted) throw new Interrupted(place.name)
    const kept = recordedVersion(run, side, wanted.runs.task)
    return await prepareChildren(shared, run, parent, wanted.runs, kept)
  } finally {
    preparing.release(run)
  }
}

const countWaiting = ({ waitingSteps, onWaiting }: Shared, { run, lease }: StepAtWork, by: 1 | -1): void => {
  const before = waitingSteps.get(run) ?? 0
  waitingSteps.set(run, before + by)
  if (before === 0 || before + by === 0) onWaiting(lease, by)
}

/**
 * Keeps as many leases open as allowed until all runs have ended, or no more are wanted and the open ones have ended.
 */
const untilOver = async (shared: Shared, fanOut: FanOut): Promise<Over | 'released'> => {
  const { children, stopping, watch } = shared
  const { work, wanted, ahead, waiting, bell } = fanOut
  const { run } = work
  const deadline = deadlineOf(work, wanted)
  let over: Over = 'ended'
  for (;;) {
    const isWanted = run.requested === undefined && run.failure === undefined
    if (stopping.aborted && isWanted) return 'released'
    if (work.lease.lost) throw new Fenced(work.lease.id)
    const isLate = now() >= deadline
    if (!isWanted) over = 'interrupted'
    else if (over === 'ended' && isLate) over = 'timed_out'
    else if (over === 'ended' && waiting.failed && waiting.asksForFailure) {
      over = 'failed'
      await haltLeases(shared.database, [...waiting.out.keys()])
    }
    const isCancelled = over === 'interrupted' || isLate
    const isPaused = shared.pauses.has(run.collectionId)
    if (!isCancelled && !isPaused && (await children.wake(fanOut))) continue
    const some = over !== 'ended' ? 'enough' : isPaused ? 'full' : await children.startSome(fanOut)
    if (some === 'started') continue
    if (isCancelled) closeHere(fanOut)
    if (isCancelled && (await cancelOpen(shared.endBelow, fanOut)) === 'more') continue
    waiting.asksForEnd = over !== 'ended' || remaining(ahead) === 0
    if (waiting.asksForEnd && waiting.settled) return over
    if (waiting.asksForEnd && waiting.out.size === 0) watch.hurry()
    await bell.heard(isCancelled || some === 'full' ? askAgainMs : deadline - now())
    bell.hush()
  }
}

/**
 * Asks open child runs to end, unless an ancestor's owner does. Returns `more` when it must be called again at once.
 */
const cancelOpen = async (endBelow: EndBelow, fanOut: FanOut): Promise<'more' | 'asked' | 'none'> => {
  const { work, waiting } = fanOut
  const { run, lease } = work
  if (run.requested !== undefined) fanOut.isAskedAbove ??= await endBelow.isAskedAbove(run)
  if (fanOut.isAskedAbove) return 'asked'
  fanOut.endingSinceMs ??= performance.now()
  return endBelow.ask({ runKeys: [run.key], seq: waiting.seq, lease, asks: whomToAsk(run, fanOut.endingSinceMs) })
}

/**
 * Builds the result after every run has ended: outputs, and a failure if there is one. Child runs may have heard before
 * this run that their tree is to end: then it was cancelled, and has not failed.
 */
const concluded = async ({ database, endBelow }: Shared, fanOut: FanOut, over: Over): Promise<Outcome> => {
  const { work, wanted, waiting, here } = fanOut
  if (over === 'interrupted') throw new Interrupted(work.place.name)
  const ended: ChildRun[] = endedHere(here.ended, wanted.runs)
  while (ended.length < wanted.runs.count) {
    const page = await readChildren(database, waiting, (ended.at(-1)?.index ?? -1) + 1, readAtOnce)
    for (const child of page) ended.push(child)
    if (page.length < readAtOnce) break
  }
  const isCancelled = ended.some(({ status }) => status === 'cancelled')
  if (isCancelled && (await endBelow.hearOfEnd(work.run))) throw new Interrupted(work.place.name)
  return fanOutOutcome(work.place, wanted, ended, over)
}

/** The runs in order, if all of them ended in this process. */
const endedHere = (ended: ReadonlyMap<number, ChildRun>, { count, onlyIndex }: ChildRuns): ChildRun[] =>
  ended.size < count || onlyIndex !== undefined ? [] : [...ended.values()].sort((one, other) => one.index - other.index)

/** Time at which open child runs are cancelled: from the activity, or from the step's timeout. */
const deadlineOf = ({ place }: StepAtWork, { runs }: WaitForRuns): number => {
  const { timeoutSeconds } = place.step
  const limit =
    timeoutSeconds === undefined || !place.started ? undefined : place.started.getTime() + timeoutSeconds * 1000
  return Math.min(runs.until?.getTime() ?? Number.POSITIVE_INFINITY, limit ?? Number.POSITIVE_INFINITY)
}
