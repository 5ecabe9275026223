import { createHash } from 'node:crypto'
import { AppError } from '../../../lib/errors.ts'
import { makeByteBlocks } from '../../../lib/memory/byte-blocks.ts'
import type { Share } from '../../../lib/memory/byte-budget.ts'
import { fileTooLarge } from '../too-large.ts'

/** A piece of a body that is sent in one request. */
export interface BodyPart {
  bytes: Uint8Array
  /** From 1. */
  number: number
  /** Whether the body ends with it. */
  isLast: boolean
  /** Memory taken from the share for it. Give it back once the part is sent. */
  reserved: number
}

const firstPartBytes = 8 * 1024 * 1024
const partsOfOneSize = 1_000
const mostParts = 10_000

/** Returns the size of a part. It doubles after every thousand parts, up to 64 MiB, since S3 accepts only 10,000. */
export const partBytes = (number: number): number =>
  firstPartBytes * 2 ** Math.min(3, Math.floor((number - 1) / partsOfOneSize))

/** A body with more than this reserves the memory of a whole part: it can always finish the one that it fills. */
const smallBytes = 256 * 1024

/** Memory to reserve for a part that has so many bytes and may get `most`. */
const reservedFor = (bytes: number, most: number): number => {
  if (bytes === 0) return 0
  return bytes <= smallBytes ? Math.min(smallBytes, most) : most
}

export interface MeasuredBody {
  parts: AsyncGenerator<BodyPart, void>
  /** Size and SHA-256 of what was read so far. */
  measured(): { size: number; sha256: string }
}

interface CutOptions {
  maxBytes: number
  /** Where memory is taken from; undefined: the body is in memory already, and parts are views of it. */
  share: Share | undefined
  sizeOf?: ((number: number) => number) | undefined
}

const wait = { what: 'Storing a file', waitMs: 30_000 }

/**
 * Cuts a body into parts; the last one may be empty only if it is the only one. Takes memory from the share as bytes
 * arrive. Throws `too_large` above `maxBytes`, and `busy` when there is no memory for half a minute.
 */
export const cutBody = (
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { maxBytes, share, sizeOf = partBytes }: CutOptions,
): MeasuredBody => {
  const hash = createHash('sha256')
  let size = 0
  const held = makeByteBlocks()
  let number = 1

  const take = (isLast: boolean): BodyPart => {
    const reserved = reservedFor(held.size, sizeOf(number))
    return { bytes: held.take(), number: number++, isLast, reserved }
  }
  const add = async (piece: Uint8Array): Promise<void> => {
    const most = sizeOf(number)
    const more = reservedFor(held.size + piece.length, most) - reservedFor(held.size, most)
    if (share && more > 0) await share.add(more, wait)
    held.add(piece)
  }
  const parts = async function* (): AsyncGenerator<BodyPart, void> {
    for await (const chunk of body) {
      size += chunk.length
      if (size > maxBytes) throw fileTooLarge(maxBytes)
      hash.update(chunk)
      for (let at = 0; at < chunk.length; ) {
        if (held.size === sizeOf(number)) yield take(false) // not before more arrives: the last part is marked
        if (number > mostParts) throw new AppError('too_large', 'The file has more than 10,000 parts of 64 MiB')
        const piece = chunk.subarray(at, at + sizeOf(number) - held.size)
        await add(piece)
        at += piece.length
      }
    }
    yield take(true)
  }
  return { parts: parts(), measured: () => ({ size, sha256: hash.copy().digest('hex') }) }
}
