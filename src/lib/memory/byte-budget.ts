/**
 * Memory for large values, shared by the steps and requests of a process. Docs: decision 0036, and 0130 for why it cannot
 * stand still.
 *
 *     | small shares   | caches | common part                                  | for the elder           |
 *     | an eighth      |                         the main part                                            |
 *
 * Every share has its bytes in the common part, or in the part for small ones. The elder is the one share that may take
 * more: the rest of the main part is kept for it. So of all shares that hold memory and want more, one can always go on
 * to its end, and then the next one.
 */
import { getHeapStatistics } from 'node:v8'
import { AppError } from '../errors.ts'
import { type FairQueue, makeFairQueue, type Owner } from '../fair-queue.ts'
import { byteSize } from '../settings/byte-size.ts'

/**
 * `step`: its work ends by itself. `parent`: it holds memory while runs that it has started need some as well.
 * `request`: a body on its way, or an answer; it lasts as long as the client likes.
 */
export type ShareKind = 'step' | 'parent' | 'request'

/** How long to wait for memory, and what for, as error messages name it. */
interface ShareWait {
  /** Completes "… needs 120 MiB of memory". */
  what: string
  signal?: AbortSignal | undefined
  /**
   * After this long the wait ends with `busy`. The time of a share that holds nothing counts from when it is the next
   * of its collection: behind others it waits as long as they make progress. That of a request counts from its start.
   */
  waitMs: number
}

/** Memory held by one step, request or answer. */
export interface Share {
  readonly bytes: number
  /**
   * Takes more; undefined when there is room at once, else a promise. Throws `too_large` for what could never fit.
   * Rejects with `busy` after `waitMs` or when every share waits for another, and with the reason of the signal.
   */
  add(bytes: number, wait: ShareWait): Promise<void> | undefined
  /** Returns bytes to the budget. */
  giveBack(bytes: number): void
  /** Returns everything, ends pending waits, and counts nothing for this share any more. */
  end(): void
}

/**
 * A limit of bytes in memory. Payers take turns, and the collections of a payer. One payer has at most three quarters of
 * the common part, a collection that a key has made three quarters of that, and requests a quarter, unless it is a single
 * share.
 */
export interface ByteBudget {
  open(owner: Owner, kind?: ShareKind): Share
  /** Takes bytes for a cache: only while nothing waits, and up to an eighth of the main part. Return them with `give`. */
  tryTake(bytes: number): boolean
  give(bytes: number): void
  readonly total: number
  /** Maximum size of one share. */
  largestOf(kind: ShareKind): number
  readonly used: number
  readonly waiting: number
  /** What waits now, longest first. */
  waits(): MemoryWait[]
}

/** A share that waits for memory. */
export interface MemoryWait {
  what: string
  kind: ShareKind
  owner: Owner
  bytes: number
  /** What it holds meanwhile. */
  heldBytes: number
  seconds: number
}

/** Size up to which a share counts as small. */
export const smallShareBytes = 1024 * 1024

/** Two fifths of the heap limit. The rest is for code, small values and the garbage of JSON.stringify. */
export const defaultInFlightBytes = (): number => Math.floor(getHeapStatistics().heap_size_limit * 0.4)

interface Counted {
  readonly owner: Owner
  readonly kind: ShareKind
  readonly waits: Set<Waiter>
  bytes: number
  /** Whether its bytes are in the part for small shares. */
  isSmall: boolean
}

interface Waiter {
  readonly share: Counted
  readonly bytes: number
  readonly sinceMs: number
  readonly how: ShareWait
  /** Ends the wait with `busy`. Set once its time counts. */
  timer: NodeJS.Timeout | undefined
  settle(problem?: unknown): void
}

const longestTimerMs = 2 ** 31 - 1

type Counts = Map<number | string, number>

const addTo = (counts: Counts, key: number | string, bytes: number): void => {
  const sum = (counts.get(key) ?? 0) + bytes
  if (sum > 0) counts.set(key, sum)
  else counts.delete(key)
}

export const makeByteBudget = (total: number): ByteBudget => {
  const small = Math.floor(total / 8)
  const main = total - small
  const caches = Math.floor(main / 8)
  const common = Math.floor(main / 2)
  const ofPayer = Math.floor(common * 0.75)
  const mostOf = (kind: ShareKind): number => (kind === 'parent' ? common : main - caches)

  const used = { small: 0, main: 0, caches: 0, parents: 0 }
  const holders = new Set<Counted>()
  const byPayer: Counts = new Map()
  const byCollection: Counts = new Map()
  const byRequests: Counts = new Map()
  /** The share that may exceed the common part, or waits to do so. */
  let elder: Counted | undefined
  /** Shares that hold memory and want more, in order of arrival. */
  const growers = new Set<Waiter>()
  /** Shares that hold nothing yet. Requests at their limit must not block the steps of their owner. */
  const newcomers = { request: makeFairQueue<Waiter>(), step: makeFairQueue<Waiter>() }
  const queueOf = ({ kind }: Counted): FairQueue<Waiter> => newcomers[kind === 'request' ? 'request' : 'step']
  const waiting = (): number => growers.size + newcomers.request.size + newcomers.step.size

  /** Counts bytes that a share takes, or returns (negative). */
  const count = (share: Counted, bytes: number, isSmall = share.isSmall): void => {
    const moved = share.isSmall && !isSmall ? share.bytes : 0
    used.small += isSmall ? bytes : -moved
    used.main += isSmall ? 0 : bytes + moved
    share.isSmall = isSmall
    const counted = isSmall ? 0 : bytes + moved
    share.bytes += bytes
    if (counted !== 0) {
      const { kind, owner } = share
      addTo(byPayer, owner.payer, counted)
      addTo(byCollection, owner.collectionId, counted)
      if (kind === 'request') addTo(byRequests, owner.payer, counted)
      if (kind === 'parent') used.parents += counted
    }
    if (share.bytes > 0) holders.add(share)
    else {
      holders.delete(share)
      share.isSmall = true
    }
    settleElder()
  }

  /** The elder is one no more when it has ended, or when it fits into the common part beside the others. */
  const settleElder = (): void => {
    if (!elder || isWaiting(elder)) return
    if (elder.bytes === 0 || (commonUsed(undefined) <= common && !isCapped(elder, 0))) elder = undefined
  }

  const isWaiting = ({ waits }: Counted): boolean => waits.size > 0
  const mainBytes = (share: Counted): number => (share.isSmall ? 0 : share.bytes)
  /** Bytes in the common part, without those of a share. */
  const commonUsed = (without: Counted | undefined): number =>
    used.main - used.caches - (without ? mainBytes(without) : 0)

  const fitsSmall = (share: Counted, bytes: number): boolean =>
    share.isSmall && share.bytes + bytes <= smallShareBytes && used.small + bytes <= small

  /** Whether a sum would exceed its limit with a share that is not its only one. */
  const exceeds = (sum: number, limit: number, share: Counted, bytes: number): boolean => {
    const own = mainBytes(share)
    return sum > own && sum - own + share.bytes + bytes > limit
  }

  const isCapped = (share: Counted, bytes: number): boolean => {
    const { kind, owner } = share
    const isMade = owner.collectionId !== owner.payer && owner.collectionId !== 0
    return (
      exceeds(byPayer.get(owner.payer) ?? 0, ofPayer, share, bytes) ||
      (isMade && exceeds(byCollection.get(owner.collectionId) ?? 0, ofPayer * 0.75, share, bytes)) ||
      (kind === 'parent' && exceeds(used.parents, common / 2, share, bytes)) ||
      (kind === 'request' &&
        share.bytes + bytes > smallShareBytes &&
        exceeds(byRequests.get(owner.payer) ?? 0, ofPayer / 4, share, bytes))
    )
  }

  const fitsMain = (share: Counted, bytes: number): boolean =>
    used.main - mainBytes(share) + share.bytes + bytes <= main

  const fitsCommon = (share: Counted, bytes: number): boolean =>
    fitsMain(share, bytes) &&
    commonUsed(elder) - (share === elder ? 0 : mainBytes(share)) + share.bytes + bytes <= common &&
    !isCapped(share, bytes)

  /** Takes bytes that are free and that no share waits for. Returns whether that worked. */
  const takeAtOnce = (share: Counted, bytes: number): boolean => {
    if (isWaiting(share)) return false
    if (fitsSmall(share, bytes)) count(share, bytes, true)
    else if (share === elder && fitsMain(share, bytes)) count(share, bytes, false)
    else if (growers.size === 0 && (share.bytes > 0 || waiting() === 0) && fitsCommon(share, bytes)) {
      count(share, bytes, false)
    } else return false
    return true
  }

  const leave = (waiter: Waiter): void => {
    clearTimeout(waiter.timer)
    waiter.share.waits.delete(waiter)
    if (growers.delete(waiter)) return
    const queue = queueOf(waiter.share)
    queue.remove((one) => one === waiter)
    const next = queue.nextOf(waiter.share.owner)
    if (next) arm(next)
  }

  const grant = (waiter: Waiter): void => {
    const { share, bytes } = waiter
    clearTimeout(waiter.timer)
    share.waits.delete(waiter)
    if (!growers.delete(waiter)) {
      const queue = queueOf(share)
      queue.takeOf(share.owner)
      if (isWaiting(share)) for (const other of queue.remove((one) => one.share === share)) growers.add(arm(other))
      const next = queue.nextOf(share.owner)
      if (next) arm(next)
    }
    count(share, bytes, fitsSmall(share, bytes))
    waiter.settle()
  }

  const end = (waiter: Waiter, problem: unknown): void => {
    leave(waiter)
    settleElder()
    waiter.settle(problem)
  }

  /** Lets the time of a waiter count. */
  const arm = (waiter: Waiter): Waiter => {
    const giveUp = () => {
      end(waiter, noRoom(waiter))
      grantAll()
    }
    waiter.timer ??= setTimeout(giveUp, Math.min(waiter.how.waitMs, longestTimerMs))
    return waiter
  }

  /** Gives memory to every share that may have it now: growing ones first, then new ones in turn. */
  const grantAll = (): void => {
    for (const waiter of growers) tryGrant(waiter)
    for (let isOn = waiting() > growers.size; isOn; ) isOn = grantNewcomers()
    while (growers.size > 0 && allHoldersWait()) giveUpYoungest()
  }

  const tryGrant = (waiter: Waiter): boolean => {
    const { share, bytes } = waiter
    if (!fitsSmall(share, bytes) && (share === elder || !fitsCommon(share, bytes))) {
      if (share !== elder && !mayBeElder(share, bytes)) return false
      elder = share
      if (!fitsMain(share, bytes)) return false
    }
    grant(waiter)
    return true
  }

  /**
   * A share that holds memory goes before one that holds nothing. A newcomer of a payer with as much as it may have does
   * not let the others wait until the main part is free. A request lasts as long as its client likes: it is the elder only
   * if it fits nowhere else.
   */
  const mayBeElder = (share: Counted, bytes: number): boolean => {
    if (share.kind === 'parent' || (share.kind === 'request' && share.bytes + bytes <= common)) return false
    if (share.bytes > 0) return elder === undefined || elder.bytes === 0
    const isFree = elder === undefined && ![...growers].some((grower) => grower.share.kind === 'step')
    return isFree && (fitsMain(share, bytes) || !isCapped(share, bytes))
  }

  /** Grants to the next newcomer of each collection at most once. Returns whether any was granted. */
  const grantNewcomers = (): boolean => {
    let isBlocked = elder !== undefined && isWaiting(elder)
    let isGranted = false
    for (const queue of [newcomers.request, newcomers.step]) {
      for (const { item } of [...queue.heads()]) {
        const { share, bytes } = item
        const mayTry = !isBlocked || share === elder || fitsSmall(share, bytes)
        if (mayTry && tryGrant(item)) isGranted = true
        else if (!isCapped(share, bytes)) isBlocked = true // smaller ones must not pass it for ever
      }
    }
    return isGranted
  }

  const allHoldersWait = (): boolean => {
    for (const share of holders) if (!isWaiting(share)) return false
    return true
  }

  /** Every share that holds memory waits for more: the last that came gives up, and its work gives back what it holds. */
  const giveUpYoungest = (): void => {
    const youngest = [...growers].findLast(({ share }) => share !== elder) ?? [...growers].at(-1)
    if (youngest) end(youngest, noRoom(youngest))
  }

  const wait = (share: Counted, bytes: number, how: ShareWait): Promise<void> | undefined => {
    let isGranted = false
    let resolveWait = () => {}
    let rejectWait = (_problem: unknown) => {}
    const granted = new Promise<void>((resolve, reject) => {
      resolveWait = resolve
      rejectWait = reject
    })
    granted.catch(() => {}) // the step or request may have ended
    const abort = () => {
      end(waiter, how.signal?.reason ?? new AppError('cancelled', `${how.what} was cancelled`))
      grantAll()
    }
    const waiter: Waiter = {
      share,
      bytes,
      sinceMs: performance.now(),
      how,
      timer: undefined,
      settle(problem) {
        isGranted = problem === undefined
        how.signal?.removeEventListener('abort', abort)
        if (problem === undefined) resolveWait()
        else rejectWait(problem)
      },
    }
    share.waits.add(waiter)
    if (share.bytes > 0) growers.add(waiter)
    else queueOf(share).add(share.owner, waiter)
    grantAll()
    if (isGranted) return undefined
    if (share.kind === 'request' || share.bytes > 0 || queueOf(share).nextOf(share.owner) === waiter) arm(waiter)
    if (how.signal?.aborted) abort()
    else how.signal?.addEventListener('abort', abort, { once: true })
    return granted
  }

  const open = (owner: Owner, kind: ShareKind = 'step'): Share => {
    let isOver = false
    const share: Counted = { owner, kind, bytes: 0, isSmall: true, waits: new Set() }
    const giveBack = (bytes: number): void => {
      const given = Math.min(bytes, share.bytes)
      if (given <= 0) return
      count(share, -given)
      grantAll()
    }
    return {
      get bytes() {
        return share.bytes
      },
      add(bytes, how) {
        if (isOver || bytes <= 0) return undefined
        let wanted = share.bytes + bytes
        for (const waiter of share.waits) wanted += waiter.bytes
        if (wanted > mostOf(kind)) throw tooLarge(how.what, wanted, mostOf(kind))
        return takeAtOnce(share, bytes) ? undefined : wait(share, bytes, how)
      },
      giveBack,
      end() {
        isOver = true
        for (const waiter of [...share.waits]) {
          end(waiter, new AppError('cancelled', 'The work that needed the memory has ended'))
        }
        if (share.bytes > 0) giveBack(share.bytes)
        else grantAll()
      },
    }
  }

  return {
    total,
    largestOf: mostOf,
    open,
    tryTake(bytes) {
      if (bytes === 0) return true
      if (waiting() > 0 || used.caches + bytes > caches || used.main + bytes > main) return false
      used.caches += bytes
      used.main += bytes
      return true
    },
    give(bytes) {
      if (bytes === 0) return
      used.caches -= bytes
      used.main -= bytes
      grantAll()
    },
    get used() {
      return used.small + used.main
    },
    get waiting() {
      return waiting()
    },
    waits() {
      const nowMs = performance.now()
      const all = [...growers, ...newcomers.request.items(), ...newcomers.step.items()]
      return all
        .sort((one, other) => one.sinceMs - other.sinceMs)
        .map(({ share, bytes, how, sinceMs }) => ({
          what: how.what,
          kind: share.kind,
          owner: share.owner,
          bytes,
          heldBytes: share.bytes,
          seconds: (nowMs - sinceMs) / 1000,
        }))
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

const noRoom = ({ how, bytes }: Waiter): AppError =>
  new AppError('busy', `${how.what} did not get ${byteSize(bytes)} of memory in time: other work is using it`, {
    hint: 'Try again in a few seconds, or raise JETTY_IN_FLIGHT_BYTES, the memory that all requests and steps share.',
    retryAfterSeconds: 5,
  })
