import type { Cadence, CatchUp } from '../../model/cadence.ts'
import { fireAfter, firesBackFrom } from './cadence.ts'

export interface FireLimits {
  /** A fire later than this counts as missed. */
  graceMs: number
  /** Maximum missed fires that are caught up; also the maximum waiting for the end of a run. */
  mostCaughtUp: number
}

/** Fires of a routine that become runs now, oldest first, in milliseconds since 1970. */
export interface DueFires {
  fires: number[]
  /** Time of the next fire. */
  next: number | null
  /** First fire dropped because it was missed. */
  missed: number | undefined
  /** The newest dropped fires, newest first. */
  lately: number[]
}

/** Maximum dropped fires that are listed: a server may have been away for years. */
const mostListed = 20

/** Computes the due fires of a cadence; `nextMs` is its first unprocessed fire. */
export const dueFires = (
  { cadence, catchUp, nextMs }: { cadence: Cadence; catchUp: CatchUp; nextMs: number | null },
  nowMs: number,
  { graceMs, mostCaughtUp }: FireLimits,
): DueFires => {
  if (nextMs === null || nextMs > nowMs) return { fires: [], next: nextMs, missed: undefined, lately: [] }
  const onTime: number[] = []
  const late: number[] = []
  const room = () => (catchUp === 'all' ? mostCaughtUp : catchUp === 'last' && onTime.length === 0 ? 1 : 0)
  const missed: number[] = []
  for (const at of firesBackFrom(cadence, nowMs)) {
    if (at < nextMs) break
    if (at > nowMs - graceMs) onTime.push(at)
    else if (late.length < room()) late.push(at)
    else if (missed.push(at) >= mostListed) break
  }
  return {
    fires: [...onTime, ...late].reverse(),
    next: fireAfter(cadence, nowMs),
    missed: missed.length > 0 ? nextMs : undefined,
    lately: missed,
  }
}
