import type { IncomingMessage } from 'node:http'
import { AppError } from '../../lib/errors.ts'
import { readWhole } from '../../lib/memory/byte-blocks.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'

/** Memory for request bodies, handed out in turn. */
export interface ByteRoom {
  /** Resolves with the function that releases them. */
  take(bytes: number): Promise<() => void>
}

export const makeByteRoom = (total: number): ByteRoom => {
  let left = total
  const waiting: { bytes: number; go(): void }[] = []
  const serve = () => {
    while (waiting[0] && waiting[0].bytes <= left) {
      const next = waiting.shift()!
      left -= next.bytes
      next.go()
    }
  }
  return {
    take: (bytes) =>
      new Promise((resolve) => {
        let isBack = false
        const giveBack = () => {
          if (isBack) return
          isBack = true
          left += bytes
          serve()
        }
        waiting.push({ bytes, go: () => resolve(giveBack) })
        serve()
      }),
  }
}

const tooLarge = (most: number): AppError =>
  new AppError('too_large', `The body is larger than ${byteSize(most)}, the limit`)

/** Reads the body of a request; `giveBack` releases its memory. Throws `too_large` or `bad_request`. */
export const readBody = async (
  request: IncomingMessage,
  mostBytes: number,
  room: ByteRoom,
): Promise<{ body: Buffer; giveBack: () => void }> => {
  const encoding = request.headers['content-encoding']?.toLowerCase()
  if (encoding !== undefined && encoding !== 'identity') {
    throw new AppError('bad_request', `A compressed body (${encoding.slice(0, 20)}) is not accepted`)
  }
  const announced = request.headers['content-length']
  const unannounced = request.headers['transfer-encoding'] === undefined ? 0 : mostBytes
  const size = announced === undefined ? unannounced : Number(announced)
  if (!(size <= mostBytes)) throw tooLarge(mostBytes)
  const giveBack = await room.take(size)
  try {
    return { body: await readWhole(request, mostBytes, () => tooLarge(mostBytes)), giveBack }
  } catch (error) {
    giveBack()
    throw error
  }
}
