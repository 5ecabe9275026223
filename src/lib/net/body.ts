import { type Readable, type Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { AppError } from '../errors.ts'
import { makeByteBlocks } from '../memory/byte-blocks.ts'
import { byteSize } from '../settings/byte-size.ts'
import { countRoom, type TakeRoom } from './taken-room.ts'

/** Value of `Accept-Encoding`: the encodings that can be decoded. */
export const acceptedEncodings = 'gzip, deflate, br'

const decoders: Record<string, () => Transform> = {
  gzip: () => createGunzip(),
  'x-gzip': () => createGunzip(),
  deflate: () => createInflate(),
  br: () => createBrotliDecompress(),
}

/** Error for a body above the limit. */
export const tooLarge = (from: string, maxBytes: number): AppError =>
  new AppError('too_large', `The response of ${from} is larger than the limit of ${byteSize(maxBytes)}`, {
    hint: 'Request less data, or one page at a time.',
  })

/** Returns the decoders for a body's encodings, in order. Throws for unknown ones. */
export const decodersFor = (contentEncoding: string, from: string): Transform[] => {
  const names = contentEncoding
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity')
  // Real servers never use more than one, and each is another layer for a decompression bomb.
  if (names.length > 2 || names.some((name) => !Object.hasOwn(decoders, name))) {
    throw new AppError('upstream_failed', `${from} answered with an unsupported content encoding: ${contentEncoding}`, {
      hint: `Use a server that answers in one of: ${acceptedEncodings}.`,
    })
  }
  return names.reverse().map((name) => decoders[name]!())
}

interface BodyLimits {
  contentEncoding: string
  maxBytes: number
  /** Source of the body, for messages. */
  from: string
  /** See `OutgoingRequest`. */
  room?: TakeRoom | undefined
}

/** Reads and decodes a whole body. The limit applies to decoded bytes and stops the decoding, so bombs stay small. */
export const readUnpackedBody = async (
  body: Readable,
  { contentEncoding, maxBytes, from, room }: BodyLimits,
): Promise<Buffer> => {
  const bytes = makeByteBlocks()
  const count = countRoom(room)
  const collect = new Writable({
    write(part: Buffer, _encoding, done) {
      if (bytes.size + part.length > maxBytes) return done(tooLarge(from, maxBytes))
      bytes.add(part)
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
  return bytes.take()
}

/** Refuses a body by its announced length, before fetching it. */
export const checkAnnouncedLength = (contentLength: string | undefined, { maxBytes, from }: BodyLimits): void => {
  if (Number(contentLength) > maxBytes) throw tooLarge(from, maxBytes)
}
