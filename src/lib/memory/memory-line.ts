import { AppError } from '../errors.ts'
import { laneOf, type OwnedShare, type OwnerCaps, type ShareOwner, smallShareBytes } from './owner-caps.ts'

/** The bytes of a share, and its requests for more that wait. */
export interface CountedShare extends OwnedShare {
  bytes: number
  readonly waits: Set<Waiter>
}

export interface Waiter {
  share: CountedShare
  bytes: number
  sinceMs: number
  settle: (problem?: unknown) => void
}

/** The bytes of a budget, who holds some, and who waits for more. */
export interface MemoryLine {
  readonly total: number
  /** Bytes for large shares: all but an eighth, which is reserved for small ones. */
  readonly capacity: number
  readonly caps: OwnerCaps
  /** Shares that hold memory and want more, in order of arrival. */
  readonly growers: Set<Waiter>
  /** Shares that hold nothing yet, by lane. The lane whose turn is next comes first. */
  readonly newcomers: Map<ShareOwner, Waiter[]>
  used: number
  holders: number
  /** The one share that may exceed the budget, to end a deadlock. */
  beyond: CountedShare | undefined
}

/**
 * A share that has waited this long may exceed the budget, one share at a time: after 5 s to grow, after 30 s to begin.
 * Without it, parents that hold memory while they wait for child runs could keep these from ever starting.
 */
const growPatienceMs = 5_000
const beginPatienceMs = 30_000

export const patienceMs = ({ bytes }: CountedShare): number => (bytes > 0 ? growPatienceMs : beginPatienceMs)

const isSmall = ({ bytes: held }: CountedShare, bytes: number): boolean => held + bytes <= smallShareBytes

const fits = (line: MemoryLine, share: CountedShare, bytes: number): boolean =>
  line.used + bytes <= (isSmall(share, bytes) ? line.total : line.capacity) && !line.caps.isReached(share, bytes)

/** Counts bytes that a share takes, or returns (negative). */
export const countBytes = (line: MemoryLine, share: CountedShare, bytes: number): void => {
  if (share.bytes === 0 && bytes > 0) line.holders++
  share.bytes += bytes
  line.used += bytes
  line.caps.count(share, bytes)
  if (share.bytes > 0) return
  if (bytes < 0) line.holders--
  if (line.beyond === share) line.beyond = undefined
}

/** Takes bytes that are free and that no share waits for. Returns whether that worked. */
export const takeAtOnce = (line: MemoryLine, share: CountedShare, bytes: number): boolean => {
  const { growers, newcomers } = line
  const isFree = growers.size === 0 && (newcomers.size === 0 || share.bytes > 0 || isSmall(share, bytes))
  if (!isFree || !fits(line, share, bytes)) return false
  countBytes(line, share, bytes)
  return true
}

export const enterLine = ({ growers, newcomers }: MemoryLine, waiter: Waiter): void => {
  const { share } = waiter
  share.waits.add(waiter)
  if (share.bytes > 0) growers.add(waiter)
  else newcomers.set(laneOf(share), [...(newcomers.get(laneOf(share)) ?? []), waiter])
}

export const leaveLine = ({ growers, newcomers }: MemoryLine, waiter: Waiter): void => {
  growers.delete(waiter)
  waiter.share.waits.delete(waiter)
  const lane = laneOf(waiter.share)
  const queue = newcomers.get(lane)
  const at = queue?.indexOf(waiter) ?? -1
  if (!queue || at < 0) return
  queue.splice(at, 1)
  newcomers.delete(lane)
  if (queue.length > 0) newcomers.set(lane, queue) // moves the lane behind the others
}

/** Ends all waits of a share. */
export const endWaits = (line: MemoryLine, { waits }: CountedShare): void => {
  for (const waiter of waits) {
    leaveLine(line, waiter)
    waiter.settle(new AppError('cancelled', 'The work that needed the memory has ended'))
  }
}

export const waitingIn = ({ growers, newcomers }: MemoryLine): number => {
  let sum = growers.size
  for (const queue of newcomers.values()) sum += queue.length
  return sum
}

/** Gives memory to every share that may have it now: growing ones first, then new ones, lane by lane. */
export const grantAll = (line: MemoryLine): void => {
  if (line.growers.size > 0) grantGrowers(line)
  if (line.newcomers.size > 0) grantNewcomers(line)
}

const grant = (line: MemoryLine, waiter: Waiter): void => {
  leaveLine(line, waiter)
  countBytes(line, waiter.share, waiter.bytes)
  waiter.settle()
}

const grantBeyond = (line: MemoryLine, waiter: Waiter): void => {
  line.beyond = waiter.share
  grant(line, waiter)
}

/**
 * Whether a share may exceed the budget: in a deadlock (every holder waits for more), when nothing is held, and after
 * too long a wait. Never a request that has waited too long: it is refused after some seconds, and could hold memory as
 * long as its client likes.
 */
const mayGoBeyond = ({ beyond, growers, holders }: MemoryLine, { share, sinceMs }: Waiter): boolean => {
  if (beyond && beyond !== share) return false
  const stuck = new Set([...growers].map((waiter) => waiter.share)).size >= holders
  if (stuck || share.kind === 'request') return stuck
  return performance.now() - sinceMs >= patienceMs(share)
}

const grantGrowers = (line: MemoryLine): void => {
  for (const waiter of [...line.growers]) {
    if (fits(line, waiter.share, waiter.bytes)) grant(line, waiter)
    else if (mayGoBeyond(line, waiter)) grantBeyond(line, waiter)
  }
}

const grantNewcomers = (line: MemoryLine): void => {
  const { caps, growers, newcomers } = line
  let isBlocked = [...growers].some(({ share, bytes }) => !caps.isReached(share, bytes))
  for (let granted = true; granted; ) {
    granted = false
    for (const [waiter] of [...newcomers.values()]) {
      if (!waiter) continue
      const { share, bytes } = waiter
      const mayPass = (!isBlocked || isSmall(share, bytes)) && fits(line, share, bytes)
      if (mayPass || mayGoBeyond(line, waiter)) {
        if (mayPass) grant(line, waiter)
        else grantBeyond(line, waiter)
        granted = true
      } else if (!caps.isReached(share, bytes)) isBlocked = true // smaller ones must not pass it for ever
    }
  }
}
