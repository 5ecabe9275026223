import type { ServerResponse } from 'node:http'

/**
 * Lets a source go no faster than the client reads. Gives the function to be called when a write found the client full:
 * the source waits then, and a client that takes nothing for so many seconds is cut off.
 */
export const makePace = (
  outgoing: ServerResponse,
  source: { pause(): void; resume(): void },
  stalledSeconds: number,
): (() => void) => {
  outgoing.on('timeout', () => outgoing.destroy())
  outgoing.on('drain', () => {
    outgoing.setTimeout(0)
    source.resume()
  })
  return () => {
    source.pause()
    outgoing.setTimeout(stalledSeconds * 1000)
  }
}
