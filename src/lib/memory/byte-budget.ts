import { getHeapStatistics } from 'node:v8'
import { AppError } from '../errors.ts'
import { byteSize } from '../settings/byte-size.ts'
import {
  laneOf,
  makeOwnerCaps,
  type OwnedShare,
  type ShareKind,
  type ShareOwner,
  smallShareBytes,
} from './owner-caps.ts'

/** How long to wait for memory, and its purpose for error messages. */
export interface ShareWait {
  /** Completes "… needs 120 MiB of memory". */
  what: string
  signal?: AbortSignal | undefined
  /** After this long the wait ends with `busy`; without it only the signal ends it. */
  waitMs?: number
}

/** Memory held by one step, request or answer. */
export interface Share {
  readonly bytes: number
  /**
   * Takes more; undefined when there is room at once, else a promise. Throws `too_large` for what could never fit, rejects
   * with `busy` after `waitMs` and with the reason of the signal.
   */
  add(bytes: number, wait: ShareWait): Promise<void> | undefined
  /** Returns bytes to the budget. */
  giveBack(bytes: number): void
  /** Returns everything, ends pending waits, and counts nothing for this share any more. */
  end(): void
}

/**
 * Bytes that may be in memory at once. An eighth is kept for small shares, so that these never wait behind large ones.
 * A share that grows goes before one that begins; owners whose shares begin take turns; one owner has three quarters at
 * the most, and a quarter of that for its requests, unless it is a single share.
 */
export interface ByteBudget {
  /** Opens a share of a step, or of a request. */
  open(owner: ShareOwner, kind?: ShareKind): Share
  /** Takes bytes for a cache: only while nothing waits, and up to a quarter of the budget. Return them with `give`. */
  tryTake(bytes: number): boolean
  give(bytes: number): void
  readonly total: number
  /** Maximum size of one share. */
  readonly largest: number
  readonly used: number
  readonly waiting: number
}

/** Two fifths of the heap limit. The rest is for code, small values and the garbage of JSON.stringify. */
export const defaultInFlightBytes = (): number => Math.floor(getHeapStatistics().heap_size_limit * 0.4)

/**
 * A share that has waited this long may exceed the budget, one share at a time: after 5 s to grow, after 30 s to begin.
 * Without it, parents that hold memory while they wait for child runs could keep these from ever starting.
 */
const growPatienceMs = 5_000
const beginPatienceMs = 30_000

interface Waiter {
  share: CountedShare
  bytes: number
  sinceMs: number
  settle: (problem?: unknown) => void
}

interface CountedShare extends Share, OwnedShare {
  bytes: number
  readonly waits: Set<Waiter>
}

export const makeByteBudget = (total: number): ByteBudget => {
  const capacity = total - Math.floor(total / 8)
  const caps = makeOwnerCaps(Math.floor(capacity * 0.75))
  /** Shares that hold memory and want more, in order of arrival. */
  const growers = new Set<Waiter>()
  /** Shares that hold nothing yet, by lane. The lane whose turn is next comes first. */
  const newcomers = new Map<ShareOwner, Waiter[]>()
  let used = 0
  let holders = 0
  /** The one share that may exceed the budget, to end a deadlock. */
  let beyond: CountedShare | undefined

  const isSmall = ({ bytes: held }: CountedShare, bytes: number): boolean => held + bytes <= smallShareBytes
  const fits = (share: CountedShare, bytes: number): boolean =>
    used + bytes <= (isSmall(share, bytes) ? total : capacity) && !caps.isReached(share, bytes)

  const count = (share: CountedShare, bytes: number): void => {
    if (share.bytes === 0 && bytes > 0) holders++
    share.bytes += bytes
    used += bytes
    caps.count(share, bytes)
    if (share.bytes > 0) return
    if (bytes < 0) holders--
    if (beyond === share) beyond = undefined
  }

  const remove = (waiter: Waiter): void => {
    growers.delete(waiter)
    waiter.share.waits.delete(waiter)
    const lane = laneOf(waiter.share)
    const queue = newcomers.get(lane)
    const at = queue?.indexOf(waiter) ?? -1
    if (!queue || at < 0) return
    queue.splice(at, 1)
    newcomers.delete(lane)
    if (queue.length > 0) newcomers.set(lane, queue) // the other lanes come first
  }

  const grant = (waiter: Waiter): void => {
    remove(waiter)
    count(waiter.share, waiter.bytes)
    waiter.settle()
  }

  /**
   * True in a deadlock (every holder waits for more), when nothing is held, and for a share that has waited too long. A
   * request does not wait too long: it is refused after some seconds, and could keep what it got for as long as its client
   * likes.
   */
  const mayGoBeyond = ({ share, sinceMs }: Waiter): boolean => {
    if (beyond && beyond !== share) return false
    const stuck = new Set([...growers].map((waiter) => waiter.share)).size >= holders
    if (stuck || share.kind === 'request') return stuck
    return performance.now() - sinceMs >= (share.bytes > 0 ? growPatienceMs : beginPatienceMs)
  }

  const grantGrowers = (): void => {
    for (const waiter of [...growers]) {
      if (fits(waiter.share, waiter.bytes)) grant(waiter)
      else if (mayGoBeyond(waiter)) {
        beyond = waiter.share
        grant(waiter)
      }
    }
  }

  const grantNewcomers = (): void => {
    let isBlocked = [...growers].some(({ share, bytes }) => !caps.isReached(share, bytes))
    for (let granted = true; granted; ) {
      granted = false
      for (const [waiter] of [...newcomers.values()]) {
        if (!waiter) continue
        const { share, bytes } = waiter
        if ((!isBlocked || isSmall(share, bytes)) && fits(share, bytes)) {
          grant(waiter)
          granted = true
        } else if (mayGoBeyond(waiter)) {
          beyond = share
          grant(waiter)
          granted = true
        } else if (!caps.isReached(share, bytes)) isBlocked = true // smaller ones must not pass it for ever
      }
    }
  }

  const grantAll = (): void => {
    if (growers.size > 0) grantGrowers()
    if (newcomers.size > 0) grantNewcomers()
  }

  const wait = (share: CountedShare, bytes: number, { what, signal, waitMs }: ShareWait): Promise<void> | undefined => {
    let isGranted = false
    let resolveWait = () => {}
    let rejectWait = (_problem: unknown) => {}
    let timer: NodeJS.Timeout | undefined
    const leave = () => {
      remove(waiter)
      waiter.settle(signal?.reason ?? new AppError('cancelled', `${what} was cancelled`))
    }
    const waiter: Waiter = {
      share,
      bytes,
      sinceMs: performance.now(),
      settle(problem) {
        isGranted = problem === undefined
        clearTimeout(timer)
        signal?.removeEventListener('abort', leave)
        if (problem === undefined) resolveWait()
        else rejectWait(problem)
      },
    }
    share.waits.add(waiter)
    if (share.bytes > 0) growers.add(waiter)
    else newcomers.set(laneOf(share), [...(newcomers.get(laneOf(share)) ?? []), waiter])
    grantAll()
    if (isGranted) return undefined
    const granted = new Promise<void>((resolve, reject) => {
      resolveWait = resolve
      rejectWait = reject
    })
    granted.catch(() => {}) // the step or request may have ended
    const patience = share.bytes > 0 ? growPatienceMs : beginPatienceMs
    const giveUp = () => {
      remove(waiter)
      waiter.settle(noRoom(what, bytes))
      grantAll()
    }
    if (waitMs !== undefined) timer = setTimeout(giveUp, waitMs)
    else timer = setInterval(grantAll, patience + 50)
    if (signal?.aborted) leave()
    else signal?.addEventListener('abort', leave, { once: true })
    return granted
  }

  return {
    total,
    largest: capacity,
    open(owner, kind = 'step') {
      let isOver = false
      const share: CountedShare = {
        owner,
        kind,
        bytes: 0,
        waits: new Set(),
        add(bytes, how) {
          if (isOver || bytes <= 0) return undefined
          if (share.bytes + bytes > capacity) throw tooLarge(how.what, share.bytes + bytes, capacity)
          const isFree = growers.size === 0 && (newcomers.size === 0 || share.bytes > 0 || isSmall(share, bytes))
          if (!isFree || !fits(share, bytes)) return wait(share, bytes, how)
          count(share, bytes)
          return undefined
        },
        giveBack(bytes) {
          const given = Math.min(bytes, share.bytes)
          if (given <= 0) return
          count(share, -given)
          grantAll()
        },
        end() {
          isOver = true
          for (const waiter of share.waits) {
            remove(waiter)
            waiter.settle(new AppError('cancelled', 'The work that needed the memory has ended'))
          }
          share.giveBack(share.bytes)
        },
      }
      return share
    },
    tryTake(bytes) {
      if (bytes === 0) return true
      if (growers.size > 0 || newcomers.size > 0 || used + bytes > capacity / 4) return false
      used += bytes
      return true
    },
    give(bytes) {
      if (bytes === 0) return
      used -= bytes
      grantAll()
    },
    get used() {
      return used
    },
    get waiting() {
      let sum = growers.size
      for (const queue of newcomers.values()) sum += queue.length
      return sum
    },
  }
}

const tooLarge = (what: string, bytes: number, most: number): AppError =>
  new AppError(
    'too_large',
    `${what} needs ${byteSize(bytes)} of memory at once; at most ${byteSize(most)} is available`,
    {
      hint: 'Process less data at a time, pass large values on as files, or raise JETTY_IN_FLIGHT_BYTES.',
    },
  )

const noRoom = (what: string, bytes: number): AppError =>
  new AppError('busy', `${what} did not get ${byteSize(bytes)} of memory in time: other work is using it`, {
    hint: 'Try again in a few seconds, or raise JETTY_IN_FLIGHT_BYTES, the memory that all requests and steps share.',
    retryAfterSeconds: 5,
  })
