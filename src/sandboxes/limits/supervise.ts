import type { Readable } from 'node:stream'
import type { SandboxCommand, SandboxExit, SandboxLimits } from '../sandbox.ts'

/** What ends a command from outside. */
export type StopReason = Exclude<SandboxExit['reason'], 'exit' | 'lost'>

/** A command that has been started, as whoever has started it can reach it. */
export interface StartedCommand {
  stdout: Readable
  stderr: Readable
  /** Resolves when it has ended. */
  closed: Promise<void>
  /** Asks everything inside to end. */
  terminate(): void
  /** Ends everything inside, at once. */
  kill(): void
}

export interface Supervised {
  stopped: StopReason | undefined
  durationMs: number
}

/** Looks at something from time to time until it is stopped, and says when a limit is passed. */
export type Watch = (passed: (reason: StopReason) => void) => { stop(): void }

const graceMs = 3_000

/** Hands on what a stream gives, no faster than it is taken; stops it at its limit. */
const relay = async (
  stream: Readable,
  take: (chunk: Buffer) => void | Promise<void>,
  room: { bytes: number },
  passed: () => void,
): Promise<void> => {
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const taken = chunk.subarray(0, room.bytes)
    room.bytes -= taken.length
    if (taken.length > 0) await take(taken)
    if (taken.length < chunk.length) passed() // what is still on its way out of one that is being killed is dropped
  }
}

/**
 * Stays with a command until it has ended and its outputs are read: hands them on, and stops it when it was cancelled,
 * when its time is over, or when a watch says so. The first reason counts.
 */
export const supervise = async (
  started: StartedCommand,
  command: SandboxCommand,
  limits: SandboxLimits,
  watches: readonly Watch[],
): Promise<Supervised> => {
  const { closed, terminate, kill } = started
  const begunMs = performance.now()
  let stopped: StopReason | undefined
  let grace: NodeJS.Timeout | undefined
  const stop = (reason: StopReason) => {
    if (stopped) return
    stopped = reason
    if (reason !== 'cancelled') return kill()
    terminate()
    grace = setTimeout(kill, graceMs)
  }
  const cancel = () => stop('cancelled')
  const wall = setTimeout(() => stop('timed_out'), Math.min(command.wallMs, 2 ** 31 - 1))
  const watching = watches.map((watch) => watch(stop))
  command.signal.addEventListener('abort', cancel, { once: true })
  if (command.signal.aborted) cancel()

  const room = { bytes: limits.outputBytes }
  const full = () => stop('output_limit')
  const outputs = (['stdout', 'stderr'] as const).map(async (name) => {
    try {
      await relay(started[name], (chunk) => command.onOutput(name, chunk), room, full)
    } catch (error) {
      kill() // whoever takes the output cannot any more
      throw error
    }
  })
  try {
    await Promise.all([closed, ...outputs])
  } catch (error) {
    await Promise.allSettled([closed, ...outputs]) // nothing of it is alive when this is told
    throw error
  } finally {
    clearTimeout(wall)
    clearTimeout(grace)
    command.signal.removeEventListener('abort', cancel)
    for (const watch of watching) watch.stop()
  }
  return { stopped, durationMs: performance.now() - begunMs }
}
