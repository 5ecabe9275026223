import { createHash } from 'node:crypto'
import { makeSlots } from '../slots.ts'
import { type AnswerOrEnd, type KeptProcess, makeKeptProcess } from './kept-process.ts'
import type { LimitedProgram } from './limited-process.ts'

/**
 * Asks a process of the owner, which is a collection, when one is free. The signal ends the process, and takes a message
 * that still waits out of the queue.
 */
export type ProcessPool<Sent, Received> = (
  owner: string,
  message: Sent,
  signal: AbortSignal,
) => Promise<AnswerOrEnd<Received> | { end: 'cancelled' }>

const turnOf = (owner: string): number => createHash('sha256').update(owner).digest().readUInt32BE()

/**
 * Makes a pool of kept processes. A process only ever works for one owner, so that nothing that one leaves behind
 * reaches another. Owners wait in turn.
 */
export const makeProcessPool = <Sent extends object, Received>(
  program: LimitedProgram,
  size: number,
): ProcessPool<Sent, Received> => {
  const slots = makeSlots(size)
  const idle: { owner: string; process: KeptProcess<Sent, Received> }[] = []
  const take = (owner: string): KeptProcess<Sent, Received> => {
    const at = idle.findIndex((one) => one.owner === owner)
    const found = at < 0 ? undefined : idle.splice(at, 1)[0]
    if (found) return found.process
    if (idle.length + slots.used > size) idle.shift()?.process.end()
    return makeKeptProcess<Sent, Received>(program)
  }
  return async (owner, message, signal) => {
    try {
      await slots.acquire(turnOf(owner), signal)
    } catch {
      return { end: 'cancelled' }
    }
    const process = take(owner)
    const end = () => process.end()
    signal.addEventListener('abort', end)
    try {
      const answer = signal.aborted ? undefined : await process.ask(message)
      return answer === undefined || (signal.aborted && 'end' in answer) ? { end: 'cancelled' } : answer
    } finally {
      signal.removeEventListener('abort', end)
      idle.push({ owner, process })
      slots.release()
    }
  }
}
