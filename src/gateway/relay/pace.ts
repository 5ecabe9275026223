import type { ServerResponse } from 'node:http'
import type { PushStream } from '../../providers/upstream/push-stream.ts'

/**
 * Slows a source down to the pace of the client. Returns the function to call when a write filled the client's buffer: the
 * source is paused until it drains, and a client that reads nothing for `stalledSeconds` is disconnected.
 */
export const makePace = (
  outgoing: ServerResponse,
  source: Pick<PushStream<unknown>, 'pause' | 'resume'>,
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
