import { describe, expect, it } from 'vitest'
import { AppError } from '../../lib/errors.ts'
import { storageFailure, storageSilent } from '../objects/s3/answer.ts'
import type { S3Client } from '../objects/s3/client.ts'
import { withBucketErrors } from './collection-buckets.ts'

const where = 's3://team-data'
const fault = (status: number, code?: string) =>
  storageFailure(where, { status, code, message: 'words of the endpoint' })

const translated = async (error: unknown): Promise<unknown> => {
  const client = { where, send: () => Promise.reject(error) } as unknown as S3Client
  return withBucketErrors(client)
    .send({ method: 'GET' })
    .catch((thrown: unknown) => thrown)
}

describe('errors of the bucket of a collection', () => {
  it.each([
    ['wrong key', fault(403, 'InvalidAccessKeyId'), 'conflict', 'storage_info.access_key_id'],
    ['no bucket', fault(404, 'NoSuchBucket'), 'conflict', 'storage_info.bucket'],
    ['no right', fault(403), 'conflict', 'Allow the keys'],
    ['no space', fault(507), 'conflict', 'quota of the bucket'],
    ['a code that is none', fault(403, '<script>'), 'conflict', 'Allow the keys'],
    ['slow', fault(503, 'SlowDown'), 'storage_unavailable', 'Try again'],
    ['private', new AppError('address_refused', '10.1.2.3 is private'), 'conflict', 'storage_info.endpoint'],
  ])('%s', async (_name, error, code, hint) => {
    const answer = (await translated(error)) as AppError
    expect([answer.code, answer.hint]).toEqual([code, expect.stringContaining(hint)])
    expect(answer.message).toContain(where)
    expect(answer.message).not.toMatch(/words of the endpoint|<script>/)
  })

  it('keeps why a bucket is silent', async () => {
    const silent = storageSilent(where, new AppError('network_failed', 'GET https://s3.example.com failed: reset'))
    const answer = (await translated(silent)) as AppError
    expect([answer.code, answer.message, answer.retryAfterSeconds]).toEqual([
      'storage_unavailable',
      'The bucket s3://team-data of this collection does not answer: GET https://s3.example.com failed: reset',
      5,
    ])
  })
})
