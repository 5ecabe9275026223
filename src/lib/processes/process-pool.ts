import type { Owner } from '../fair-queue.ts'
import { makeSlots, withSpare } from '../slots.ts'
import type { LimitedProgram } from './limited-process.ts'
import { type AnswerOrEnd, makeWarmProcess, type WarmProcess } from './warm-process.ts'

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
