import type { Cadence, CatchUp } from '../model/cadence.ts'
import { fireAfter, firesBackFrom } from './cadence.ts'

export interface FireLimits {
  /** A fire that is so late counts as missed. */
  graceMs: number
  /** How many missed fires are made up for; also how many may wait for the end of a run. */
  mostCaughtUp: number
}

/** Which fires of a routine become runs now, oldest first, in milliseconds since 1970. */
export interface DueFires {
  fires: number[]
  /** The first fire to come. */
  next: number | null
  /** The first one that is left out for having been missed. */
  missed: number | undefined
}

/** What is due of a cadence whose first fire that nobody has looked at is `nextMs`. */
export const dueFires = (
  { cadence, catchUp, nextMs }: { cadence: Cadence; catchUp: CatchUp; nextMs: number | null },
  nowMs: number,
  { graceMs, mostCaughtUp }: FireLimits,
): DueFires => {
  if (nextMs === null || nextMs > nowMs) return { fires: [], next: nextMs, missed: undefined }
  const onTime: number[] = []
  const late: number[] = []
  const room = () => (catchUp === 'all' ? mostCaughtUp : catchUp === 'last' && onTime.length === 0 ? 1 : 0)
  let isMissed = false
  for (const at of firesBackFrom(cadence, nowMs)) {
    if (at < nextMs) break
    if (at > nowMs - graceMs) onTime.push(at)
    else if (late.length < room()) late.push(at)
    else {
      isMissed = true
      break
    }
  }
  return {
    fires: [...onTime, ...late].reverse(),
    next: fireAfter(cadence, nowMs),
    missed: isMissed ? nextMs : undefined,
  }
}
