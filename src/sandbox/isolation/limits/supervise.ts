import type { Readable } from 'node:stream'
import type { SandboxCommand, SandboxExit, SandboxLimits } from '../sandbox.ts'

/** Reasons for which a command is ended from outside. */
export type StopReason = Exclude<SandboxExit['reason'], 'exit' | 'lost'>

/** A started command, as its supervisor controls it. */
export interface StartedCommand {
  stdout: Readable
  stderr: Readable
  /** Resolves when the command has ended. */
  closed: Promise<void>
  /** Sends SIGTERM to everything inside. */
  terminate(): void
  /** Kills everything inside immediately. */
  kill(): void
}

export interface Supervised {
  stopped: StopReason | undefined
  durationMs: number
}

/** Checks a limit periodically until stopped, and reports when it is passed. */
export type Watch = (passed: (reason: StopReason) => void) => { stop(): void }

const graceMs = 3_000

/** Forwards a stream with backpressure, and stops it at its limit. */
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
    if (taken.length < chunk.length) passed() // drops output still in flight of a command that is being killed
  }
}

/**
 * Supervises a command until it has ended and its outputs are drained. Stops it on cancel, on timeout, or when a watch
 * reports a passed limit; the first reason counts.
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
      kill() // the consumer of the output failed
      throw error
    }
  })
  try {
    await Promise.all([closed, ...outputs])
  } catch (error) {
    await Promise.allSettled([closed, ...outputs]) // on return nothing of the command is alive
    throw error
  } finally {
    clearTimeout(wall)
    clearTimeout(grace)
    command.signal.removeEventListener('abort', cancel)
    for (const watch of watching) watch.stop()
  }
  return { stopped, durationMs: performance.now() - begunMs }
}
