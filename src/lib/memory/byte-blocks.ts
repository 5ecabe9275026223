import { MessageChannel } from 'node:worker_threads'

/** A port that nobody listens to: what is handed over to it is gone. */
const { port1: nowhere, port2 } = new MessageChannel()
nowhere.unref()
port2.close()

/** Smaller pieces are not worth a call, and may share their memory with others. */
const leastBytes = 16 * 1024

/**
 * Frees the memory of bytes that nobody uses any more, without waiting for the garbage collector. Its size counts as
 * garbage otherwise, so a body of a megabyte in pieces brings the next collection as near as half of a new heap does. The
 * bytes are empty afterwards. Does nothing to a part of a larger buffer.
 */
const freeBytes = ({ buffer, byteLength }: Buffer): void => {
  if (byteLength < leastBytes || buffer.byteLength !== byteLength || !(buffer instanceof ArrayBuffer)) return
  nowhere.postMessage(buffer, [buffer])
}

/**
 * Bytes of a stream, copied into blocks as they arrive. A sender that sends chunks of one byte would otherwise fill the heap:
 * Node keeps an object of about 100 bytes for each chunk, whatever its length.
 */
interface ByteBlocks {
  /** Bytes that were added. */
  readonly size: number
  /** Bytes that the blocks take: at most twice the size and 4 KiB, and at most 1 MiB above the size. */
  readonly held: number
  /** Adds a chunk. The first one is kept as it is, so do not change it later. */
  add(chunk: Uint8Array): void
  /** Moves everything into one block, with room for `size` bytes in all. */
  reserve(size: number): void
  /** Returns the bytes and starts anew. A chunk that came alone is returned without a copy. */
  take(): Buffer
}

const leastBlock = 4 * 1024
const largestBlock = 1024 * 1024

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Whether a chunk is most of the memory that it keeps alive. */
const isCompact = ({ byteLength, buffer }: Uint8Array): boolean => 2 * byteLength >= buffer.byteLength

const noBytes: Buffer = Buffer.alloc(0)

/** With `ownsChunks`, the memory of a chunk is freed as soon as it was copied: nobody else may use it. */
export const makeByteBlocks = ({ ownsChunks = false } = {}): ByteBlocks => {
  /** Blocks that are full, and the one that is being filled. */
  let full: Buffer[] = []
  let last = noBytes
  let filled = 0
  let size = 0
  let held = 0

  const open = (bytes: number): void => {
    if (last.length > 0) full.push(last)
    last = Buffer.allocUnsafeSlow(bytes)
    held += bytes
    filled = 0
  }
  const copy = (chunk: Buffer): void => {
    for (let at = 0; at < chunk.length; ) {
      if (filled === last.length) {
        // The first chunk is often the only one.
        const next = size === 0 ? 0 : Math.min(Math.max(size, leastBlock), largestBlock)
        open(Math.max(next, chunk.length - at))
      }
      const copied = chunk.copy(last, filled, at)
      at += copied
      filled += copied
    }
    size += chunk.length
    if (ownsChunks) freeBytes(chunk)
  }
  const take = (): Buffer => {
    const end = last.subarray(0, filled)
    const whole = full.length === 0 ? end : Buffer.concat([...full, end], size)
    full = []
    last = noBytes
    filled = 0
    size = 0
    held = 0
    return whole
  }

  return {
    get size() {
      return size
    },
    get held() {
      return held
    },
    add(chunk) {
      if (chunk.length === 0) return
      const bytes = asBuffer(chunk)
      if (held > 0 || !isCompact(bytes)) return copy(bytes)
      last = bytes
      filled = bytes.length
      size = bytes.length
      held = bytes.buffer.byteLength
    },
    reserve(bytes) {
      const before = take()
      open(Math.max(bytes, before.length))
      copy(before)
    },
    take,
  }
}

/** Reads a stream to its end. With `most`, throws what `tooLarge` returns as soon as there are more bytes. */
export const readWhole = async (
  chunks: AsyncIterable<Uint8Array>,
  most = Number.POSITIVE_INFINITY,
  tooLarge: () => Error = () => new RangeError(`More than ${most} bytes`),
): Promise<Buffer> => {
  const bytes = makeByteBlocks()
  for await (const chunk of chunks) {
    if (bytes.size + chunk.length > most) throw tooLarge() // leaving the loop ends the stream
    bytes.add(chunk)
  }
  return bytes.take()
}

/** Reads at least the first `most` bytes of a stream, if it has so many, and no further. */
export const readStart = async (chunks: AsyncIterable<Uint8Array>, most: number): Promise<Buffer> => {
  const bytes = makeByteBlocks()
  for await (const chunk of chunks) {
    bytes.add(chunk)
    if (bytes.size >= most) break
  }
  return bytes.take()
}

const lineFeed = 10

/**
 * Yields the lines of a stream without their ends; the last one may have none. Throws what `tooLong` returns for a line of
 * more than `most` bytes.
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  most = Number.POSITIVE_INFINITY,
  tooLong: () => Error = () => new RangeError(`A line of more than ${most} bytes`),
): AsyncGenerator<Buffer> {
  const begun = makeByteBlocks()
  const add = (bytes: Buffer): void => {
    if (begun.size + bytes.length > most) throw tooLong()
    begun.add(bytes)
  }
  for await (const chunk of chunks) {
    const bytes = asBuffer(chunk)
    let from = 0
    for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, from)) {
      add(bytes.subarray(from, end))
      yield begun.take()
      from = end + 1
    }
    add(bytes.subarray(from))
  }
  if (begun.size > 0) yield begun.take()
}
