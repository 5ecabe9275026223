import { makeByteBlocks } from '../memory/byte-blocks.ts'

/** Reads counted bytes from a stream whose chunks have any size. */
interface ByteReader {
  /** Returns so many bytes; fewer, or none, only at the end of the stream. */
  take(count: number): Promise<Buffer>
  /** Returns what comes next, at most so many bytes; undefined at the end. */
  next(most: number): Promise<Buffer | undefined>
  /** Ends the stream. */
  close(): Promise<void>
}

export const makeByteReader = (source: AsyncIterable<Uint8Array>): ByteReader => {
  const chunks = source[Symbol.asyncIterator]()
  let rest: Buffer = Buffer.alloc(0)

  const next: ByteReader['next'] = async (most) => {
    while (rest.length === 0) {
      const { done, value } = await chunks.next()
      if (done) return undefined
      rest = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    }
    const part = rest.subarray(0, most)
    rest = rest.subarray(part.length)
    return part
  }

  return {
    next,
    async take(count) {
      const bytes = makeByteBlocks()
      while (bytes.size < count) {
        const part = await next(count - bytes.size)
        if (!part) break
        bytes.add(part)
      }
      return bytes.take()
    },
    async close() {
      await chunks.return?.()
    },
  }
}
