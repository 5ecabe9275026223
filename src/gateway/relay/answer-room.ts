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
/** The memory that one open answer uses for its record. */
interface KeptAnswer {
  /** Whether `size` more bytes are kept. Once refused, nothing further is kept. */
  add(size: number): boolean
  /** Whether more has arrived than is kept. */
  readonly isTruncated: boolean
  /** Releases the memory, once the answer is on record. */
  free(): void
}

/** Memory shared by all open answers. */
export type AnswerRoom = (mostBytes: number) => KeptAnswer

/** Kept of every answer, whatever the others use: most answers are shorter. */
const alwaysKept = 64 * 1024

/**
 * Makes the memory that open answers share for their records. When it is full, long answers keep their beginning and
 * short ones are still recorded completely. So one client cannot affect the records of others, and no paid answer is
 * aborted.
 */
export const makeAnswerRoom = (roomBytes: number): AnswerRoom => {
  let taken = 0
  return (mostBytes) => {
    let size = 0
    let isTruncated = false
    return {
      get isTruncated() {
        return isTruncated
      },
      add(more) {
        const isMost = size + more > mostBytes
        const isFull = size + more > alwaysKept && taken + more > roomBytes
        if (isTruncated || isMost || isFull) {
          isTruncated = true
          return false
        }
        size += more
        taken += more
        return true
      },
      free() {
        taken -= size
        size = 0
      },
    }
  }
}
