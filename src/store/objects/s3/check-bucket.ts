import { randomBytes, randomUUID } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { AppError } from '../../../lib/errors.ts'
import type { S3Client } from './client.ts'
import { openDownload } from './download.ts'

/** Writes a small object, reads the end of it, and removes it. Throws an error that says what failed and what to do. */
export const checkBucket = async (client: S3Client): Promise<void> => {
  const [key, bytes] = [`check/${randomUUID()}`, randomBytes(1024)]
  ;(await client.send({ method: 'PUT', key, body: bytes })).close()
  const opened = await openDownload(client, key, { start: 1000 })
  const isWhole = opened !== undefined && (await buffer(opened.stream)).equals(bytes.subarray(1000))
  ;(await client.send({ method: 'DELETE', key, accept: [404] })).close()
  if (isWhole) return
  throw new AppError('storage_unavailable', `The storage ${client.where} does not return what was stored`, {
    retryable: false,
    hint: 'Check that endpoint= in JETTY_STORAGE is an S3-compatible storage.',
  })
}
