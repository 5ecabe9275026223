import { makeByteBlocks } from '../memory/byte-blocks.ts'

/** Reads counted bytes from a stream whose chunks have any size. */
interface ByteReader {
  /** Returns so many bytes; fewer, or none, only at the end of the stream. */
  take(count: number): Promise<Buffer>
  /** Returns what comes next, at most so many bytes; undefined at the end. */
  next(most: number): Promise<Buffer | undefined>
  /** Yields what is left in parts of at most 1 MiB, then ends the stream. */
  rest(): AsyncGenerator<Buffer>
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

  const close = async () => void (await chunks.return?.())

  return {
    next,
    close,
    async take(count) {
      const bytes = makeByteBlocks()
      while (bytes.size < count) {
        const part = await next(count - bytes.size)
        if (!part) break
        bytes.add(part)
      }
      return bytes.take()
    },
    async *rest() {
      try {
        for (let part = await next(1024 * 1024); part; part = await next(1024 * 1024)) yield part
      } finally {
        await close()
      }
    },
  }
}

/** Returns the beginning of a stream, and the whole stream. */
export const peek = async (source: AsyncIterable<Uint8Array>, count: number) => {
  const reader = makeByteReader(source)
  const head = await reader.take(count)
  const whole = async function* () {
    yield head
    yield* reader.rest()
  }
  return { head, whole: whole() }
}
