import { randomUUID } from 'node:crypto'
import type { ChildRun, FailedWith, WaitForRuns } from '../../activities/activity.ts'
import type { Queries } from '../../database/database.ts'
import { type Bell, makeBell } from '../../lib/bell.ts'
import { makeSlots } from '../../lib/slots.ts'
import { now } from '../../lib/time.ts'
import type { NewRun } from '../../model/runs/new-run.ts'
import type { Quota } from '../../store/collections/quota.ts'
import { Fenced } from '../journal/journal.ts'
import { runInput } from '../journal/journal-columns.ts'
import { columns, type LeaseRef, pushRow, runValues } from '../journal/journal-entry.ts'
import { type EndBelow, whomToAsk } from '../leases/end-below.ts'
import type { EndRequests } from '../leases/end-requests.ts'
import { keysAbove } from '../leases/run-keys.ts'
import { presentRuns } from '../start/enqueue.ts'
import { Interrupted } from '../steps/execute.ts'
import type { StepAtWork } from '../steps/step-at-work.ts'
import type { StepRun } from '../steps/step-run.ts'
import { type ChildDeps, type ChildKind, type ChildLimits, childRun, prepareChildren } from './fan-out-child.ts'
import { fanOutOutcome, type Over } from './fan-out-outcome.ts'
import { nextChunk } from './fan-out-shares.ts'
import { countDue, emitRuns, haltLeases, type Parent, readChildren, readProgress, wakeChildren } from './fan-out-sql.ts'
import { type Leased, makeFanOutWatch, newLeased, type Waiting } from './fan-out-watch.ts'
import { makeOpenRuns, type OpenRunLimits } from './open-runs.ts'

export interface FanOuts {
  /**
   * Starts the missing child runs and waits for all of them without a slot. Returns the step's outputs, with the
   * failure if it failed, or `released` when the process stops: the next owner of the run continues.
   */
  waitForRuns(work: StepAtWork, wanted: WaitForRuns): Promise<Outcome>
  /** Reports the end of a run under this lease in this process. */
  ended: ReturnType<typeof makeFanOutWatch>['ended']
  /** Polls at once, since something changed in the database. */
  hurry(): void
}

type Outcome = Record<string, unknown> | FailedWith | 'released'

/** Maximum runs of one statement, and maximum text of one lease. */
const runsAtOnce = 1_000
const textAtOnce = 4 * 1024 * 1024
/** Maximum batches in memory and being written, of all steps here; collections take turns. */
const portionsAtOnce = 3
/** Maximum steps preparing child runs at once: more would exhaust the connections. */
const preparedAtOnce = 3
/** Interval of repeated requests to end, and of checks for room. */
const askAgainMs = 500
const readAtOnce = 5_000

/** Indices of runs still to start: first those an earlier attempt left out, then all others. */
interface Ahead {
  missing: number[]
  next: number
  count: number
}

const remaining = ({ missing, next, count }: Ahead): number => missing.length + count - next

const takeIndex = (ahead: Ahead): number => ahead.missing.shift() ?? ahead.next++

/** A fan-out in progress. */
interface FanOut {
  work: StepAtWork
  wanted: WaitForRuns
  kind: ChildKind
  ahead: Ahead
  waiting: Waiting
  bell: Bell
  /** Whether an ancestor was asked to end; undefined until checked. */
  isAskedAbove: boolean | undefined
  /** When (`performance.now()`) its child runs were first asked to end. */
  endingSinceMs: number | undefined
  /** Since when (`performance.now()`) there is no room for more runs; undefined when the last check found some. */
  fullSinceMs: number | undefined
}

export interface FanOutDeps extends ChildDeps {
  database: Queries
  shard: number
  quota: Pick<Quota, 'add' | 'require'>
  limits: ChildLimits & OpenRunLimits
  endBelow: EndBelow
  /** Tells a run in this process to end. */
  deliver: EndRequests['deliver']
  /** A run of the lease waits for child runs and executes nothing (1), or does again (-1). */
  onWaiting(lease: LeaseRef, by: 1 | -1): void
  /** Fires when the process stops taking steps. */
  stopping: AbortSignal
}

export const makeFanOuts = (deps: FanOutDeps): FanOuts => {
  const { database, shard, endBelow, stopping } = deps
  const openRuns = makeOpenRuns(database, deps.limits)
  const watch = makeFanOutWatch(database)
  const emitting = makeSlots(portionsAtOnce)
  const preparing = makeSlots(preparedAtOnce)
  /** Collections take turns. A run that is asked to end meanwhile prepares nothing. */
  const prepare = async ({ run, place }: StepAtWork, parent: Parent, wanted: WaitForRuns): Promise<ChildKind> => {
    await preparing.acquire(run.collectionId)
    try {
      if (run.requested || stopping.aborted) throw new Interrupted(place.name)
      return await prepareChildren(deps, run, parent, wanted.runs)
    } finally {
      preparing.release()
    }
  }
  /** Number of a run's steps waiting here: the run counts as idle once, however many wait. */
  const waitingSteps = new WeakMap<StepRun, number>()
  const waits = ({ run, lease }: StepAtWork, by: 1 | -1): void => {
    const before = waitingSteps.get(run) ?? 0
    waitingSteps.set(run, before + by)
    if (before === 0 || before + by === 0) deps.onWaiting(lease, by)
  }

  /** Takes one statement's worth of runs, at most `room`, in the leases that may start now. */
  const nextPortion = ({ work, wanted, kind, ahead, waiting }: FanOut, room: number): Portion => {
    const portion: Portion = { leases: [], runs: [] }
    const { runs } = wanted
    let text = 0
    const most = Math.min(runsAtOnce, room)
    while (portion.runs.length < most && text < textAtOnce) {
      const chunk = nextChunk(
        runs.maxConcurrency,
        remaining(ahead),
        sharesOut(watch.sharesOf(waiting), portion.leases),
        waiting.paceMs,
        room - portion.runs.length,
      )
      if (!chunk) break
      const lease = { id: randomUUID(), share: chunk.share, size: 0 }
      const textBefore = text
      while (lease.size < chunk.size && text - textBefore < textAtOnce) {
        const index = takeIndex(ahead)
        const run = childRun(deps, kind, work, index, runs.initParams(index))
        portion.runs.push({ lease: lease.id, index, run })
        text += run.initParams.length
        lease.size++
      }
      portion.leases.push(lease)
    }
    return portion
  }

  /** Writes a batch. Runs whose trajectory id was taken return to `ahead`, for a new lease. */
  const emit = async ({ work, wanted, waiting, ahead }: FanOut, portion: Portion): Promise<void> => {
    const rows = columns(runInput.length)
    for (const { run, lease } of portion.runs) pushRow(rows, runValues(run, lease, 0))
    const leased = portion.leases.map(({ id, share, size }): Leased => {
      const one = newLeased(share, size, false)
      watch.leased(waiting, id, one)
      return one
    })
    const labels: Record<string, string> = JSON.parse(work.run.environment.scrub.json(wanted.runs.labels))
    const { leases } = portion
    const above = [work.run.key, ...keysAbove(work.run)]
    const { held, stopped, made } = await emitRuns(database, {
      parent: work.lease,
      shard,
      leases,
      runs: rows,
      labels,
      above,
      collectionId: work.run.collectionId,
    })
    for (const one of leased) one.isWritten = true
    // The request to end reaches every run below soon; this one need not wait for it.
    if (stopped) return deps.deliver(work.run.key, 'cancelled')
    if (!held) throw new Fenced(work.lease.id)
    const databaseBytes = portion.runs.reduce((sum, { run }) => sum + Buffer.byteLength(run.initParams), 0)
    deps.quota.add(work.run.collectionId, { runs: made.length, databaseBytes })
    if (made.length === portion.runs.length) return
    const there = new Set(made)
    const absent = portion.runs.filter(({ run }) => !there.has(run.key))
    const present = await presentRuns(
      database,
      absent.map(({ run }) => run.key),
    )
    ahead.missing.push(...absent.filter(({ run }) => !present.has(run.key)).map(({ index }) => index))
  }

  /** Wakes parked child runs as far as there is room, before new ones start. Returns whether any woke. */
  const wake = async ({ work, wanted, waiting }: FanOut): Promise<boolean> => {
    if (!waiting.due) return false
    const due = await countDue(database, waiting)
    waiting.due = due > 0
    const out = sharesOut(watch.sharesOf(waiting))
    const chunk = nextChunk(wanted.runs.maxConcurrency, due, out, waiting.paceMs)
    if (!chunk) return false
    const lease = { id: randomUUID(), ...chunk, collectionId: work.run.collectionId }
    const leased = newLeased(chunk.share, chunk.size, false)
    watch.leased(waiting, lease.id, leased)
    const { held, woken } = await wakeChildren(database, waiting, work.lease, lease)
    if (!held) throw new Fenced(work.lease.id)
    leased.open = woken
    leased.isWritten = true
    return woken > 0
  }

  /**
   * Starts some of the remaining runs, within the concurrency and the limits on open runs. Throws when there is no room
   * and no open run of the step could free some. Returns `full` when it must wait for room.
   */
  const startSome = async (fanOut: FanOut): Promise<'started' | 'enough' | 'full'> => {
    const { work, wanted, ahead, waiting } = fanOut
    const { run } = work
    const out = sharesOut(watch.sharesOf(waiting))
    if (!nextChunk(wanted.runs.maxConcurrency, remaining(ahead), out, waiting.paceMs)) return 'enough'
    await emitting.acquire(run.collectionId)
    let written = () => {}
    try {
      await openRuns.look(run)
      const room = openRuns.left(run)
      if (room === 0) {
        // Requires two counts: the last one may precede ends that have freed room.
        fanOut.fullSinceMs ??= performance.now()
        const isFullStill = performance.now() - fanOut.fullSinceMs >= askAgainMs - 100
        const refusal = out.lanes === 0 && isFullStill ? openRuns.refusal(run) : undefined
        if (refusal) throw refusal
        return 'full'
      }
      fanOut.fullSinceMs = undefined
      const portion = nextPortion(fanOut, room)
      written = openRuns.take(run, portion.runs.length)
      await emit(fanOut, portion)
    } finally {
      written()
      emitting.release()
    }
    return 'started'
  }

  /**
   * Asks open child runs to end, unless an ancestor's owner does. Returns `more` when it must be called again at once.
   */
  const cancelOpen = async (fanOut: FanOut): Promise<'more' | 'asked' | 'none'> => {
    const { work, waiting } = fanOut
    const { run, lease } = work
    if (run.requested !== undefined) fanOut.isAskedAbove ??= await endBelow.isAskedAbove(run)
    if (fanOut.isAskedAbove) return 'asked'
    fanOut.endingSinceMs ??= performance.now()
    return endBelow.ask({
      runKeys: [run.key],
      seq: waiting.seq,
      lease,
      asks: whomToAsk(run, fanOut.endingSinceMs),
    })
  }

  /**
   * Keeps as many leases open as allowed until all runs have ended, or no more are wanted and the open ones have ended.
   */
  const untilOver = async (fanOut: FanOut): Promise<Over | 'released'> => {
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
        await haltLeases(database, [...waiting.out.keys()])
      }
      const isCancelled = over === 'interrupted' || isLate
      if (!isCancelled && (await wake(fanOut))) continue
      const some = over === 'ended' ? await startSome(fanOut) : 'enough'
      if (some === 'started') continue
      if (isCancelled && (await cancelOpen(fanOut)) === 'more') continue
      waiting.asksForEnd = over !== 'ended' || remaining(ahead) === 0
      if (waiting.asksForEnd && waiting.settled) return over
      if (waiting.asksForEnd && waiting.out.size === 0) watch.hurry()
      await bell.heard(isCancelled || some === 'full' ? askAgainMs : deadline - now())
      bell.hush()
    }
  }

  /** Builds the result after every run has ended: outputs, and a failure if there is one. */
  const concluded = async ({ work, wanted, waiting }: FanOut, over: Over): Promise<Outcome> => {
    if (over === 'interrupted') throw new Interrupted(work.place.name)
    const ended: ChildRun[] = []
    for (;;) {
      const page = await readChildren(database, waiting, (ended.at(-1)?.index ?? -1) + 1, readAtOnce)
      for (const child of page) ended.push(child)
      if (page.length < readAtOnce) break
    }
    return fanOutOutcome(work.place, wanted, ended, over)
  }

  const waitForRuns = async (work: StepAtWork, wanted: WaitForRuns): Promise<Outcome> => {
    const { run, place, row, startRow } = work
    const parent: Parent = { runKey: run.key, seq: place.seq }
    const kind = await prepare(work, parent, wanted)
    work.hasRuns = true
    row.wakeMs = wanted.runs.until?.getTime() ?? now() // it only waits, so no death is counted for it
    await startRow.write()
    const { missing, next, out, beside, failed } = await readProgress(database, parent)
    const bell = makeBell()
    const waiting: Waiting = {
      ...parent,
      out: new Map(out.map(({ id, share, open }) => [id, newLeased(share, open, true)])),
      paceMs: undefined,
      failed,
      asksForFailure: !wanted.runs.continueOnError,
      asksForEnd: false,
      settled: false,
      due: false,
      isSharing: wanted.runs.sharesConcurrency,
      beside: new Map(wanted.runs.sharesConcurrency ? beside.map(({ id, share }) => [id, share]) : []),
      news: bell.ring,
    }
    const fanOut = {
      work,
      wanted,
      kind,
      ahead: { missing, next, count: wanted.runs.count },
      waiting,
      bell,
      isAskedAbove: undefined,
      endingSinceMs: undefined,
      fullSinceMs: undefined,
    }
    watch.add(waiting)
    waits(work, 1)
    run.interrupts.add(bell.ring)
    try {
      const over = await untilOver(fanOut)
      if (over !== 'released' && run.isTreeEnding) work.hasRuns = false // none is open; the root checks again
      return over === 'released' ? over : await concluded(fanOut, over)
    } finally {
      run.interrupts.delete(bell.ring)
      waits(work, -1)
      watch.remove(waiting)
    }
  }

  return { waitForRuns, ended: watch.ended, hurry: watch.hurry }
}

interface Portion {
  leases: { id: string; share: number; size: number }[]
  runs: { lease: string; index: number; run: NewRun }[]
}

const sharesOut = (out: number[], leases: Portion['leases'] = []): { lanes: number; shares: number } => {
  const all = [...out, ...leases.map(({ share }) => share)]
  return { lanes: all.length, shares: all.reduce((sum, share) => sum + share, 0) }
}

/** Time at which open child runs are cancelled: from the activity, or from the step's timeout. */
const deadlineOf = ({ place }: StepAtWork, { runs }: WaitForRuns): number => {
  const { timeoutSeconds } = place.step
  const limit =
    timeoutSeconds === undefined || !place.started ? undefined : place.started.getTime() + timeoutSeconds * 1000
  return Math.min(runs.until?.getTime() ?? Number.POSITIVE_INFINITY, limit ?? Number.POSITIVE_INFINITY)
}
