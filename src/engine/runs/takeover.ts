import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Share } from '../../lib/memory/byte-budget.ts'
import { now, pause } from '../../lib/time.ts'
import { Fenced } from '../journal/journal-sender.ts'
import type { EndRequests } from '../leases/end-requests.ts'
import type { Leases } from '../leases/leases.ts'
import type { LocalLease } from '../leases/local-lease.ts'
import type { RunLeft } from '../leases/run-under-lease.ts'
import { deathsToFail } from '../leases/suspects.ts'
import { type ClaimDeps, makeClaim } from './claim.ts'
import { giveUp, type OpenRun, type ResumeDeps, toLiveRun } from './resume.ts'
import { workOn } from './run.ts'
import type { RunDeps } from './run-deps.ts'

const resumedAtOnce = 200

interface TakeoverDeps extends ResumeDeps, ClaimDeps {
  leases: Leases
  onRequest: EndRequests['onRequest']
}

/** Takes leases over, and continues each of their open runs after its last completed step. */
export interface Takeover {
  /** Resolves once the process holds the lease. Its runs resume in the background. */
  take(leaseId: string): Promise<LocalLease>
  /** Loads the runs of a lease again after a pause, when an unexpected error has stopped them. */
  retake(lease: LocalLease): Promise<void>
  /** Takes the leases of an earlier process of the same name, and returns their number. Call it before the dispatcher is launched. */
  takeOwn(): Promise<number>
}

const retakeAfterMs = 5_000

export const makeTakeover = (deps: TakeoverDeps): Takeover => {
  const { leases, database, executor } = deps
  const claim = makeClaim(deps)

  const resume = async (lease: LocalLease, open: OpenRun): Promise<void> => {
    lease.open++
    lease.total++
    let giveBack = () => {}
    const share = deps.memory.open(open.collection_id)
    try {
      if (open.deaths >= deathsToFail) return leases.leave(lease, await giveUp(deps, lease, open))
      giveBack = await takePermit(deps, lease, open)
      if (open.init_params === null) await holdInitParams(deps, open, share)
      if (lease.halted && hasNotBegun(open)) leases.leave(lease, await endUnbegun(deps, lease, open))
      else await workOn(deps, leases, lease, await toLiveRun(deps, open))
    } catch (error) {
      if (error instanceof Fenced) return leases.leave(lease, 'fenced')
      deps.log.error({ err: error, run: open.trajectory_id }, 'run could not be resumed')
      leases.leave(lease, 'released')
    } finally {
      giveBack()
      share.end()
    }
  }

  /** Resumes runs in slices: the first have their next step on disk before the last are made ready. */
  const resumeAll = async (lease: LocalLease, runs: OpenRun[]): Promise<void> => {
    for (let at = 0; at < runs.length; at += resumedAtOnce) {
      for (const open of runs.slice(at, at + resumedAtOnce)) void resume(lease, open)
      await nextTurn()
    }
    leases.leave(lease)
  }

  const hold = async (leaseId: string): Promise<LocalLease> => {
    const { lease: claimed, runs } = await claim(leaseId)
    const lease = leases.hold(leaseId, claimed?.epoch ?? 0, claimed?.share)
    if (!claimed) {
      leases.lost(lease)
      return lease
    }
    lease.halted = claimed.halted
    lease.closed = true
    lease.open++
    void resumeAll(lease, runs)
    return lease
  }

  const taking = new Map<string, Promise<LocalLease>>()
  const take = (leaseId: string): Promise<LocalLease> => {
    const held = leases.local.get(leaseId)
    if (held) return Promise.resolve(held)
    const pending = taking.get(leaseId) ?? hold(leaseId).finally(() => taking.delete(leaseId))
    taking.set(leaseId, pending)
    return pending
  }

  return {
    take,
    async retake(lease) {
      if (!(await pause(retakeAfterMs, deps.stopping)) || leases.local.get(lease.id) !== lease) return
      leases.local.delete(lease.id)
      const free = `update leases set owner = '' where id = $1 and owner = $2` // no death to count
      await database.rows('free_lease', free, [lease.id, executor])
      const again = await take(lease.id)
      await again.finished
      lease.finish()
    },
    async takeOwn() {
      const rows = await database.rows<{ id: string }>(
        'own_leases',
        `select id from leases l where owner = $1
           and exists (select from runs where lease = l.id and ended_at is null)`,
        [executor],
      )
      await Promise.all(rows.map((row) => take(row.id)))
      return rows.length
    },
  }
}

/** Waits for a permit of the lease. A run that is asked to end meanwhile passes without one. */
const takePermit = async (
  { leases, onRequest }: TakeoverDeps,
  lease: LocalLease,
  open: OpenRun,
): Promise<() => void> => {
  const { gate } = lease
  if (!gate || lease.halted || open.requested_status) return () => {}
  const stopListening = onRequest({ key: open.id, depth: open.depth }, (status) => {
    open.requested_status ??= status
    gate.pass(open.id)
  })
  leases.idle(lease, 1)
  const giveBack = await gate.enter(open.id)
  leases.idle(lease, -1)
  stopListening()
  return giveBack
}

/** The text, the buffer that brings it, and about as much once it is parsed. */
const copiesOfInitParams = 3

/** Waits for memory for large `init_params`. A run that is asked to end meanwhile passes without it. */
const holdInitParams = async (
  { onRequest, memory, stopping }: TakeoverDeps,
  open: OpenRun,
  share: Share,
): Promise<void> => {
  if (open.requested_status) return
  const controller = new AbortController()
  const stopListening = onRequest({ key: open.id, depth: open.depth }, (status) => {
    open.requested_status ??= status
    controller.abort()
  })
  const what = `Run ${open.trajectory_id}`
  const signal = AbortSignal.any([controller.signal, stopping])
  const most = Math.min(copiesOfInitParams * open.init_params_bytes, memory.largest)
  try {
    await share.add(most, { what, signal })
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    stopListening()
  }
}

const hasNotBegun = ({ status, seq, requested_status: requested }: OpenRun): boolean =>
  status === 'pending' && seq === null && !requested

/** Cancels a run that has not begun, since another run of the same step failed. Throws Fenced. */
const endUnbegun = async (deps: RunDeps, lease: LocalLease, open: OpenRun): Promise<RunLeft> => {
  const error = 'Not begun: another run of the same step had failed'
  const end = { runKey: open.id, status: 'cancelled' as const, error, endedMs: now() }
  await deps.journal.add({ lease, collectionId: open.collection_id, end })
  deps.onEnd(open.id)
  return 'cancelled'
}
