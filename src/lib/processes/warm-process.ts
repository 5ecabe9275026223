import type { ChildProcess } from 'node:child_process'
import { noteWork } from '../loop-watch.ts'
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
export type AnswerOrEnd<Received> = { answer: Received } | { end: ProcessEnd }

/** A process that answers one message after another. */
export interface WarmProcess<Sent, Received> {
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
