import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { makeSlots, type Slots } from '../../lib/slots.ts'
import type { NewRun } from '../../model/runs/new-run.ts'
import type { Quota } from '../../store/collections/quota.ts'
import type { Queries } from '../../store/database/database.ts'
import { runInput } from '../journal/journal-columns.ts'
import { columns, pushRow, runValues } from '../journal/journal-entry.ts'
import { Fenced } from '../journal/journal-sender.ts'
import type { EndRequests } from '../leases/end-requests.ts'
import { keysAbove } from '../leases/run-keys.ts'
import { presentRuns } from '../start/enqueue.ts'
import type { ChildrenHere } from './children-here.ts'
import { type ChildDeps, childRun } from './fan-out-child.ts'
import { countDue, emitRuns, wakeChildren } from './fan-out-sql.ts'
import { askAgainMs, type FanOut, remaining, takeIndex } from './fan-out-state.ts'
import type { FanOutWatch } from './fan-out-watch.ts'
import type { OpenRuns } from './open-runs.ts'
import { type Leased, newLeased } from './waiting-steps.ts'
/** Content of one lease of a fan-out: its runs, of which `share` may execute at once. */
export interface Chunk {
  share: number
  size: number
}

/** Maximum concurrent leases of one fan-out: enough for several processes, few enough to stay cheap. */
const mostLanes = 16
/** Maximum runs of a lease, unless its share is larger. */
const largestChunk = 250
/** Target duration of a lease: a process that joins, or runs dry, gets its share within that time. */
const leaseMs = 500
/** Runs of a lease for each unit of its share, while their duration is unknown. */
const firstRunsEach = 4

/**
 * Sizes the next lease of a fan-out; undefined when nothing more may start. The shares of all open leases sum to at
 * most the concurrency, so that it holds over all processes. A lease gets as many runs as end within `leaseMs`;
 * `paceMs` is the measured time between two ends in a lease. Towards the end leases get smaller (guided
 * self-scheduling), so that no slow lease has a long queue while the others are empty. `room` limits the additional
 * open runs: a lease that does not fit takes only as many as start at once.
 */
export const nextChunk = (
  concurrency: number,
  remaining: number,
  out: { lanes: number; shares: number },
  paceMs?: number,
  room = Number.POSITIVE_INFINITY,
): Chunk | undefined => {
  const lanes = Math.min(concurrency, mostLanes)
  const free = concurrency - out.shares
  if (remaining <= 0 || room <= 0 || free <= 0 || out.lanes >= lanes) return undefined
  const share = Math.ceil(free / (lanes - out.lanes))
  const timely = paceMs === undefined ? share * firstRunsEach : Math.ceil(leaseMs / Math.max(paceMs, 1))
  const guided = Math.ceil(remaining / (2 * lanes))
  const wanted = Math.min(remaining, Math.max(share, Math.min(largestChunk, timely, guided)))
  const size = wanted <= room ? wanted : Math.min(share, room)
  return { share: Math.min(share, size), size }
}

interface StartChildrenDeps extends ChildDeps {
  database: Queries
  shard: number
  quota: Pick<Quota, 'add' | 'require'>
  watch: FanOutWatch
  openRuns: OpenRuns
  childrenHere: ChildrenHere
  /** Ends a run in this process. */
  deliver: EndRequests['deliver']
}

/** Starts and wakes the child runs of fan-outs, a batch at a time. */
export interface StartChildren {
  /**
   * Starts some of the remaining runs, within the concurrency and the limits on open runs. Throws when there is no room
   * and no open run of the step could free some. Returns `full` when it must wait for room.
   */
  startSome(fanOut: FanOut): Promise<'started' | 'enough' | 'full'>
  /** Wakes parked child runs as far as there is room, before new ones start. Returns whether any woke. */
  wake(fanOut: FanOut): Promise<boolean>
}

/** Maximum runs of one statement, and maximum text of one lease. */
const runsAtOnce = 1_000
const textAtOnce = 4 * 1024 * 1024
/** Maximum batches in memory and being written, of all steps here; collections take turns. */
const batchesAtOnce = 3

/** The leases of one statement, and their runs. */
interface Batch {
  leases: { id: string; share: number; size: number }[]
  runs: { lease: string; index: number; run: NewRun }[]
}

export const makeStartChildren = (deps: StartChildrenDeps): StartChildren => {
  const emitting = makeSlots({ total: batchesAtOnce })
  return {
    startSome: (fanOut) => startSome(deps, emitting, fanOut),
    wake: (fanOut) => wake(deps, fanOut),
  }
}

const startSome = async (
  deps: StartChildrenDeps,
  emitting: Slots,
  fanOut: FanOut,
): Promise<'started' | 'enough' | 'full'> => {
  const { watch, openRuns } = deps
  const { work, wanted, ahead, waiting } = fanOut
  const { run } = work
  const out = sharesOut(watch.sharesOf(waiting))
  if (!nextChunk(wanted.runs.maxConcurrency, remaining(ahead), out, waiting.paceMs)) return 'enough'
  await emitting.acquire(run)
  let written = () => {}
  try {
    await openRuns.look(run)
    const room = openRuns.left(run)
    if (room === 0) return waitForRoom(openRuns, fanOut, out.lanes)
    fanOut.fullSinceMs = undefined
    const here = fanOut.here.isOn ? Math.min(room, deps.childrenHere.room) : 0
    if (here > 0) {
      beginHere(deps, fanOut, here)
      await nextTurn() // others have theirs
    } else {
      const batch = nextBatch(deps, fanOut, room)
      written = openRuns.take(run, batch.runs.length)
      await emit(deps, fanOut, batch)
    }
  } finally {
    written()
    emitting.release(run)
  }
  return 'started'
}

/** Throws where no open run of the step could free room. It takes two counts: the last may precede ends that did. */
const waitForRoom = (openRuns: OpenRuns, fanOut: FanOut, lanes: number): 'full' => {
  fanOut.fullSinceMs ??= performance.now()
  const isFullStill = performance.now() - fanOut.fullSinceMs >= askAgainMs - 100
  const refusal = lanes === 0 && isFullStill ? openRuns.refusal(fanOut.work.run) : undefined
  if (refusal) throw refusal
  return 'full'
}

/** Takes one statement's worth of runs, at most `room`, in the leases that may start now. */
const nextBatch = (deps: StartChildrenDeps, fanOut: FanOut, room: number): Batch => {
  const { wanted, ahead, waiting } = fanOut
  const batch: Batch = { leases: [], runs: [] }
  let text = 0
  const most = Math.min(runsAtOnce, room)
  while (batch.runs.length < most && text < textAtOnce) {
    const out = sharesOut(deps.watch.sharesOf(waiting), batch.leases)
    const left = room - batch.runs.length
    const chunk = nextChunk(wanted.runs.maxConcurrency, remaining(ahead), out, waiting.paceMs, left)
    if (!chunk) break
    text += fillLease(deps, fanOut, batch, chunk)
  }
  return batch
}

/** Makes the run of an item. */
export const madeChild = (deps: ChildDeps, { work, wanted, kind }: FanOut, index: number): NewRun =>
  childRun(deps, kind, work, index, wanted.runs.initParams(index))

/** Adds a lease with that many runs to a batch, fewer if their text is long. Returns the length of their text. */
const fillLease = (
  deps: StartChildrenDeps,
  fanOut: FanOut,
  { leases, runs }: Batch,
  { share, size }: { share: number; size: number },
): number => {
  const lease = { id: randomUUID(), share, size: 0 }
  let text = 0
  while (lease.size < size && text < textAtOnce) {
    const index = takeIndex(fanOut.ahead)
    const run = madeChild(deps, fanOut, index)
    runs.push({ lease: lease.id, index, run })
    text += run.initParams.length
    lease.size++
  }
  leases.push(lease)
  return text
}

/** Begins at most `room` runs in this process, where a lease only limits how many of them execute at once. */
const beginHere = ({ watch, openRuns, childrenHere }: StartChildrenDeps, fanOut: FanOut, room: number): void => {
  const { wanted, ahead, waiting, work } = fanOut
  for (let left = room; left > 0; ) {
    const out = sharesOut(watch.sharesOf(waiting))
    const chunk = nextChunk(wanted.runs.maxConcurrency, remaining(ahead), out, waiting.paceMs, left)
    if (!chunk) return
    const lease = { id: randomUUID(), share: chunk.share }
    const indices = Array.from({ length: chunk.size }, () => takeIndex(ahead))
    left -= chunk.size
    watch.leased(waiting, lease.id, newLeased(chunk.share, chunk.size, false))
    childrenHere.begin(fanOut, lease, indices, openRuns.take(work.run, chunk.size))
  }
}

/** Writes a batch. Runs whose trajectory id was taken return to `ahead`, for a new lease. */
const emit = async (deps: StartChildrenDeps, fanOut: FanOut, { leases, runs }: Batch): Promise<void> => {
  const { database, shard, watch } = deps
  const { work, wanted, kind, waiting } = fanOut
  const { run: parent, lease } = work
  const rows = columns(runInput.length)
  for (const { run, lease } of runs) pushRow(rows, runValues(run, lease, 0))
  const leased = leases.map(({ id, share, size }): Leased => {
    const one = newLeased(share, size, false)
    watch.leased(waiting, id, one)
    return one
  })
  const labels: Record<string, string> = JSON.parse(parent.environment.scrub.json(wanted.runs.labels))
  const above = [parent.key, ...keysAbove(parent)]
  const { collectionId } = parent
  const { placement } = kind
  const emission = { parent: lease, shard, leases, runs: rows, labels, above, collectionId, placement }
  const { held, stopped, made } = await emitRuns(database, emission)
  for (const one of leased) one.isWritten = true
  // The request to end reaches every run below soon; this one need not wait for it.
  if (stopped) return deps.deliver(parent.key, 'cancelled')
  if (!held) throw new Fenced(lease.id)
  const databaseBytes = runs.reduce((sum, { run }) => sum + Buffer.byteLength(run.initParams), 0)
  deps.quota.add(collectionId, { runs: made.length, databaseBytes })
  if (made.length < runs.length) await takeBack(database, fanOut, runs, made)
}

/** Notes the runs that are not there to be started again under another id. */
const takeBack = async (
  database: Queries,
  { ahead }: FanOut,
  runs: Batch['runs'],
  made: readonly string[],
): Promise<void> => {
  const there = new Set(made)
  const absent = runs.filter(({ run }) => !there.has(run.key))
  const keys = absent.map(({ run }) => run.key)
  const present = await presentRuns(database, keys)
  ahead.missing.push(...absent.filter(({ run }) => !present.has(run.key)).map(({ index }) => index))
}

const wake = async (
  { database, watch }: StartChildrenDeps,
  { work, wanted, kind, waiting }: FanOut,
): Promise<boolean> => {
  if (!waiting.due) return false
  const due = await countDue(database, waiting)
  waiting.due = due > 0
  const out = sharesOut(watch.sharesOf(waiting))
  const chunk = nextChunk(wanted.runs.maxConcurrency, due, out, waiting.paceMs)
  if (!chunk) return false
  const { placement } = kind
  const lease = { id: randomUUID(), ...chunk, collectionId: work.run.collectionId, placement }
  const leased = newLeased(chunk.share, chunk.size, false)
  watch.leased(waiting, lease.id, leased)
  const { held, woken } = await wakeChildren(database, waiting, work.lease, lease)
  if (!held) throw new Fenced(work.lease.id)
  leased.open = woken
  leased.isWritten = true
  return woken > 0
}

const sharesOut = (out: number[], leases: Batch['leases'] = []): { lanes: number; shares: number } => {
  const all = [...out, ...leases.map(({ share }) => share)]
  return { lanes: all.length, shares: all.reduce((sum, share) => sum + share, 0) }
}
