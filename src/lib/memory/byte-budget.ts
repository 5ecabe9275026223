import { getHeapStatistics } from 'node:v8'
import { AppError } from '../errors.ts'
import { byteSize } from '../settings/byte-size.ts'
import {
  type CountedShare,
  countBytes,
  endWaits,
  enterLine,
  grantAll,
  leaveLine,
  type MemoryLine,
  patienceMs,
  takeAtOnce,
  type Waiter,
  waitingIn,
} from './memory-line.ts'
import { makeOwnerCaps, type ShareKind, type ShareOwner } from './owner-caps.ts'

/** How long to wait for memory, and what for, as error messages name it. */
interface ShareWait {
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
 * A limit of bytes in memory. An eighth is reserved for small shares, which therefore never wait behind large ones.
 * Growing shares are served before new ones, and owners take turns. One owner has at most three quarters, and its
 * requests a quarter of that, unless it is a single share.
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

export const makeByteBudget = (total: number): ByteBudget => {
  const capacity = total - Math.floor(total / 8)
  const caps = makeOwnerCaps(Math.floor(capacity * 0.75))
  const counts = { used: 0, holders: 0, beyond: undefined }
  const line: MemoryLine = { total, capacity, caps, growers: new Set(), newcomers: new Map(), ...counts }
  return {
    total,
    largest: capacity,
    open: (owner, kind = 'step') => openShare(line, owner, kind),
    tryTake(bytes) {
      if (bytes === 0) return true
      if (waitingIn(line) > 0 || line.used + bytes > capacity / 4) return false
      line.used += bytes
      return true
    },
    give(bytes) {
      if (bytes === 0) return
      line.used -= bytes
      grantAll(line)
    },
    get used() {
      return line.used
    },
    get waiting() {
      return waitingIn(line)
    },
  }
}

const openShare = (line: MemoryLine, owner: ShareOwner, kind: ShareKind): Share => {
  let isOver = false
  const counted: CountedShare = { owner, kind, bytes: 0, waits: new Set() }
  const giveBack = (bytes: number): void => {
    const given = Math.min(bytes, counted.bytes)
    if (given <= 0) return
    countBytes(line, counted, -given)
    grantAll(line)
  }
  return {
    get bytes() {
      return counted.bytes
    },
    add(bytes, how) {
      if (isOver || bytes <= 0) return undefined
      const wanted = counted.bytes + bytes
      if (wanted > line.capacity) throw tooLarge(how.what, wanted, line.capacity)
      return takeAtOnce(line, counted, bytes) ? undefined : wait(line, counted, bytes, how)
    },
    giveBack,
    end() {
      isOver = true
      endWaits(line, counted)
      giveBack(counted.bytes)
    },
  }
}

/** Waits in line until the bytes are granted; undefined when they are at once. */
const wait = (
  line: MemoryLine,
  share: CountedShare,
  bytes: number,
  { what, signal, waitMs }: ShareWait,
): Promise<void> | undefined => {
  let isGranted = false
  let resolveWait = () => {}
  let rejectWait = (_problem: unknown) => {}
  let timer: NodeJS.Timeout | undefined
  const leave = () => {
    leaveLine(line, waiter)
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
  enterLine(line, waiter)
  grantAll(line)
  if (isGranted) return undefined
  const granted = new Promise<void>((resolve, reject) => {
    resolveWait = resolve
    rejectWait = reject
  })
  granted.catch(() => {}) // the step or request may have ended
  const giveUp = () => {
    leaveLine(line, waiter)
    waiter.settle(noRoom(what, bytes))
    grantAll(line)
  }
  if (waitMs !== undefined) timer = setTimeout(giveUp, waitMs)
  else timer = setInterval(() => grantAll(line), patienceMs(share) + 50)
  if (signal?.aborted) leave()
  else signal?.addEventListener('abort', leave, { once: true })
  return granted
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
