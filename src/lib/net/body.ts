import { type Readable, type Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { AppError } from '../errors.ts'
import { byteSize } from '../settings/byte-size.ts'
import { countRoom, type TakeRoom } from './taken-room.ts'

/** What we ask for, and can undo. */
export const acceptedEncodings = 'gzip, deflate, br'

const decoders: Record<string, () => Transform> = {
  gzip: () => createGunzip(),
  'x-gzip': () => createGunzip(),
  deflate: () => createInflate(),
  br: () => createBrotliDecompress(),
}

/** Why a body is not read on. */
export const tooLarge = (from: string, maxBytes: number): AppError =>
  new AppError('too_large', `The answer of ${from} is larger than ${byteSize(maxBytes)}, the most that is taken`, {
    hint: 'Ask for less, or for a page at a time.',
  })

/** What undoes the encodings of a body, in order. Throws for those that are not understood. */
export const decodersFor = (contentEncoding: string, from: string): Transform[] => {
  const names = contentEncoding
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity')
  // More than one is never seen in earnest, and each is one more thing to unpack a bomb with.
  if (names.length > 2 || names.some((name) => !Object.hasOwn(decoders, name))) {
    throw new AppError(
      'upstream_failed',
      `${from} answered in an encoding that is not understood: ${contentEncoding}`,
      {
        hint: `Understood are ${acceptedEncodings}.`,
      },
    )
  }
  return names.reverse().map((name) => decoders[name]!())
}

export interface BodyLimits {
  contentEncoding: string
  maxBytes: number
  /** Where the body comes from, for messages. */
  from: string
  /** See `OutgoingRequest`. */
  room?: TakeRoom | undefined
}

/** Reads a body whole, unpacked. The limit holds for the unpacked bytes and stops the unpacking, so bombs stay small. */
export const readBody = async (
  body: Readable,
  { contentEncoding, maxBytes, from, room }: BodyLimits,
): Promise<Buffer> => {
  const parts: Buffer[] = []
  let size = 0
  const count = countRoom(room)
  const collect = new Writable({
    write(part: Buffer, _encoding, done) {
      size += part.length
      parts.push(part)
      if (size > maxBytes) return done(tooLarge(from, maxBytes))
      try {
        const wait = count(part.length)
        if (!wait) return done()
        wait.then(() => done(), done)
      } catch (error) {
        done(error as Error)
      }
    },
  })
  await pipeline([body, ...decodersFor(contentEncoding, from), collect])
  return Buffer.concat(parts)
}

/** Refuses by the announced length what need not be fetched to be too large. */
export const checkAnnouncedLength = (contentLength: string | undefined, { maxBytes, from }: BodyLimits): void => {
  if (Number(contentLength) > maxBytes) throw tooLarge(from, maxBytes)
}
