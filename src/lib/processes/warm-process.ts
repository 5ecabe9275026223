import type { ChildProcess } from 'node:child_process'
import type { Owner } from '../fair-queue.ts'
import { noteWork } from '../loop-watch.ts'
import { makeSlots, withSpare } from '../slots.ts'
import {
  killProcess,
  type LimitedProgram,
  type ProcessEnd,
  type ProcessLimits,
  residentBytes,
  startProcess,
  watchLimits,
} from './limited-process.ts'

/** The answer of a process, or what ended it before. */
type AnswerOrEnd<Received> = { answer: Received } | { end: ProcessEnd }

/** A process that answers one message after another. */
interface WarmProcess<Sent, Received> {
  /**
   * Sends a message, and resolves with the answer. The next one may be sent afterwards. `seconds` is a shorter limit
   * than the program's own.
   */
  ask(message: Sent, seconds?: number): Promise<AnswerOrEnd<Received>>
  /** Kills the process; the next message starts another. */
  end(): void
}

const idleMs = 30_000

/**
 * Makes a process that starts with the first message and is kept for the next ones, because starting takes longer than
 * most answers. It is killed when an answer takes too long or too much memory, and when nobody has asked for a while.
 */
export const makeWarmProcess = <Sent extends object, Received>(
  program: LimitedProgram,
): WarmProcess<Sent, Received> => {
  let kept: ChildProcess | undefined
  let idle: NodeJS.Timeout | undefined
  let isEnded = false

  const end = () => {
    isEnded = true
    if (kept) killProcess(kept)
    kept = undefined
  }
  const begin = async (): Promise<ChildProcess> => {
    isEnded = false
    const child = await startProcess(program)
    if (isEnded) killProcess(child) // while it was about to start
    child.once('exit', () => {
      if (kept === child) kept = undefined
    })
    child.on('error', end)
    child.unref() // the server may stop while the process waits; it ends with the server
    child.channel?.unref()
    kept = child
    return child
  }
  /** Memory that an answer left behind would count for the next one. */
  const keepSmall = async (child: ChildProcess) => {
    const used = await residentBytes(child.pid ?? 0)
    if (used > program.limits.memoryBytes / 2 && kept === child) end()
    idle = setTimeout(end, idleMs).unref()
  }
  const exchange = (child: ChildProcess, message: Sent, limits: ProcessLimits): Promise<AnswerOrEnd<Received>> =>
    new Promise((resolve) => {
      const settle = (answer: AnswerOrEnd<Received>) => {
        stopWatching()
        child.off('message', received)
        resolve(answer)
      }
      const received = (answer: unknown) => {
        noteWork('answer of a process', program.program)
        settle({ answer: answer as Received })
      }
      const stopWatching = watchLimits(child, limits, (reached) => settle({ end: reached }))
      child.on('message', received)
      if (child.connected) child.send(message, () => {}) // an error ends the process, which is watched
    })

  return {
    end,
    ask: async (message, seconds = program.limits.seconds) => {
      clearTimeout(idle)
      const child = kept ?? (await begin())
      const limits = { ...program.limits, seconds: Math.min(seconds, program.limits.seconds) }
      const answer = await exchange(child, message, limits)
      if ('end' in answer) end()
      else await keepSmall(child)
      return answer
    },
  }
}

/**
 * Asks a process of the owner's collection when one is free. The signal ends the process, and takes a message
 * that still waits out of the queue. `seconds` is a shorter limit than that of the process.
 */
export type ProcessPool<Sent, Received> = (
  owner: Owner,
  message: Sent,
  signal: AbortSignal,
  seconds?: number,
) => Promise<AnswerOrEnd<Received> | { end: 'cancelled' }>

/**
 * Makes a pool of kept processes. A process only ever works for one collection, so that nothing that one leaves
 * behind reaches another. Payers wait in turn, and one more process is kept for another payer than the one that has all.
 */
export const makeProcessPool = <Sent extends object, Received>(
  program: LimitedProgram,
  size: number,
): ProcessPool<Sent, Received> => {
  const slots = makeSlots(withSpare(size))
  const idle: { collectionId: number; process: WarmProcess<Sent, Received> }[] = []
  const take = ({ collectionId }: Owner): WarmProcess<Sent, Received> => {
    const at = idle.findIndex((one) => one.collectionId === collectionId)
    const found = at < 0 ? undefined : idle.splice(at, 1)[0]
    if (found) return found.process
    if (idle.length + slots.used > slots.total) idle.shift()?.process.end()
    return makeWarmProcess<Sent, Received>(program)
  }
  return async (owner, message, signal, seconds) => {
    try {
      await slots.acquire(owner, signal)
    } catch {
      return { end: 'cancelled' }
    }
    const process = take(owner)
    const end = () => process.end()
    signal.addEventListener('abort', end)
    try {
      const answer = signal.aborted ? undefined : await process.ask(message, seconds)
      return answer === undefined || (signal.aborted && 'end' in answer) ? { end: 'cancelled' } : answer
    } finally {
      signal.removeEventListener('abort', end)
      idle.push({ collectionId: owner.collectionId, process })
      slots.release(owner)
    }
  }
}
