import { Readable } from 'node:stream'
import { AppError } from '../../../lib/errors.ts'
import type { ByteRange } from '../objects.ts'
import type { S3Answer } from './answer.ts'
import type { S3Client } from './client.ts'
import { storageSilent } from './failures.ts'
import { objectSize } from './upload.ts'

/** Interruptions of one download after which it goes on where it stopped. */
const mostResumes = 5

const rangeHeader = ({ start, end }: ByteRange): Record<string, string> =>
  start === 0 && end === undefined ? {} : { range: `bytes=${start}-${end ?? ''}` }

/** Size of the whole object, from the answer to a request for a range of it. */
const wholeSize = ({ status, headers }: S3Answer): number => {
  const total = status === 206 ? headers['content-range']?.split('/')[1] : headers['content-length']
  return Number(total)
}

/** Opens an object or a range of it; undefined when there is none. An interrupted download goes on with the next byte. */
export const openDownload = async (
  client: S3Client,
  key: string,
  range: ByteRange = { start: 0 },
): Promise<{ stream: Readable; size: number } | undefined> => {
  const get = (wanted: ByteRange) =>
    client.send({ method: 'GET', key, headers: rangeHeader(wanted), accept: [404, 416] })
  const nothing = (size: number) => ({ stream: Readable.from([]), size })
  if (range.end !== undefined && range.end < range.start) {
    const size = await objectSize(client, key)
    return size === undefined ? undefined : nothing(size)
  }
  const first = await get(range)
  if (first.status === 404) return undefined
  if (first.status === 416) return nothing((await objectSize(client, key)) ?? 0)
  const size = wholeSize(first)
  const wantedBytes = Math.min(range.end ?? size - 1, size - 1) - range.start + 1

  const read = async function* (): AsyncGenerator<Uint8Array> {
    let sent = 0
    let answer: S3Answer | undefined = first
    try {
      for (let resumes = 0; ; resumes++) {
        try {
          answer ??= await get({ start: range.start + sent, end: range.start + wantedBytes - 1 })
          if (answer.status >= 400) throw lost(client, key)
          for await (const chunk of answer.body) {
            sent += chunk.length
            if (sent > wantedBytes)
              throw storageSilent(client.where, new Error('It sent more bytes than the object has'))
            yield chunk
          }
          if (sent === wantedBytes) return
          throw storageSilent(client.where, new Error(`It sent ${sent} of ${wantedBytes} bytes`))
        } catch (error) {
          if (sent > wantedBytes || resumes >= mostResumes || !isInterruption(error)) throw error
          answer = undefined
        }
      }
    } finally {
      answer?.close()
    }
  }
  const stream = Readable.from(read(), { objectMode: false, highWaterMark: 64 * 1024 })
  stream.once('close', first.close) // a stream that is never read never starts the generator
  return { stream, size }
}

const isInterruption = (error: unknown): boolean =>
  error instanceof AppError && ['network_failed', 'timed_out', 'storage_unavailable'].includes(error.code)

const lost = (client: S3Client, key: string): AppError =>
  new AppError('not_found', `The object ${key} was removed from ${client.where} while it was read`)
