import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** How often the event loop is looked at, unless shorter blocks count: an idle server wakes up for it. */
const longestLookMs = 100

let lastNotedMs = performance.now()
let lastWork = ''
let lastSubject = ''
let longestMs = 0
let longestWork = ''
let longestSubject = ''

const measureLast = (nowMs: number): void => {
  if (nowMs - lastNotedMs <= longestMs) return
  longestMs = nowMs - lastNotedMs
  longestWork = lastWork
  longestSubject = lastSubject
}

/**
 * Notes what the server's thread begins to do: the watch names what was noted last before the loop was blocked. Called
 * where work comes back to the thread (a request, a body, the answer of a database or a process) and before work whose
 * length depends on what a tenant has written. Takes 0.1 µs.
 */
export const noteWork = (work: string, subject = ''): void => {
  const nowMs = performance.now()
  measureLast(nowMs)
  lastNotedMs = nowMs
  lastWork = work
  lastSubject = subject
}

/** The work that took longest since the last call. */
const takeLongest = (nowMs: number): { work: string; subject: string } => {
  measureLast(nowMs)
  const longest = { work: longestWork, subject: longestSubject }
  longestMs = 0
  lastNotedMs = nowMs
  return longest
}

/** An interval in which the event loop was blocked. */
export interface Block {
  /** How long other work waited, at most. */
  blockedMs: number
  /** CPU time of the process meanwhile. Far less than `blockedMs`: the process was stopped, or the machine was busy. */
  cpuMs: number
  /** What was noted before; empty if nothing was. */
  work: string
  subject: string
}

/** What the event loop of this process was like. */
export interface LoopWatch {
  /** How late a timer was, in nanoseconds; whoever reads it may reset it. */
  readonly lag: RecordableHistogram
  /** How late the last timer was. */
  readonly lateMs: number
  /** Blocks so far, and their seconds. */
  readonly blocks: number
  readonly blockedSeconds: number
  stop(): void
}

/** Watches the event loop, and calls back after it was blocked for longer than `longestMs`. */
export const watchLoop = (mostMs: number, onBlock: (block: Block) => void): LoopWatch => {
  const lag = createHistogram()
  const lookMs = Math.min(longestLookMs, mostMs / 2)
  let blocks = 0
  let blockedSeconds = 0
  let lateMs = 0
  let dueMs = performance.now() + lookMs
  let use = performance.eventLoopUtilization()
  let cpu = process.cpuUsage()

  const look = () => {
    const nowMs = performance.now()
    lateMs = Math.max(0, nowMs - dueMs)
    dueMs = nowMs + lookMs
    lag.record(Math.max(1, Math.round(lateMs * 1e6)))
    const longest = takeLongest(nowMs)
    const usedBefore = use
    const cpuBefore = cpu
    use = performance.eventLoopUtilization()
    cpu = process.cpuUsage()
    // A timer that is late waited for one turn of the loop, which may have begun before the timer was due.
    const blockedMs = Math.max(lateMs, Math.min(lateMs + lookMs, use.active - usedBefore.active))
    if (lateMs === 0 || blockedMs <= mostMs) return
    blocks++
    blockedSeconds += blockedMs / 1000
    const cpuMs = (cpu.user - cpuBefore.user + cpu.system - cpuBefore.system) / 1000
    onBlock({ blockedMs: Math.round(blockedMs), cpuMs: Math.round(cpuMs), ...longest })
  }
  const timer = setInterval(look, lookMs).unref()
  return {
    lag,
    get lateMs() {
      return lateMs
    },
    get blocks() {
      return blocks
    },
    get blockedSeconds() {
      return blockedSeconds
    },
    stop: () => clearInterval(timer),
  }
}
