import { AppError } from '../../lib/errors.ts'
import type { S3Fault } from '../objects/s3/answer.ts'
import type { S3Client } from '../objects/s3/client.ts'

/** Remedies by S3's name of the error, for whoever may change `storage_info`. */
const remedies: Record<string, string> = {
  NoSuchBucket: 'Create the bucket, or correct storage_info.bucket.',
  InvalidAccessKeyId: 'Correct storage_info.access_key_id, and check that storage_info.endpoint is right.',
  SignatureDoesNotMatch: 'Correct storage_info.secret_access_key and storage_info.region.',
  AuthorizationHeaderMalformed: 'Set storage_info.region to the region of the bucket.',
  PermanentRedirect: 'Set storage_info.region or storage_info.endpoint to those of the bucket.',
}
const denied = 'Allow the keys of storage_info to read, write, list and delete objects in the bucket.'

/** Name of the error, or the status: the text beside it is written by a server that a user chose. */
const saidBy = ({ status, code }: S3Fault): string =>
  code !== undefined && /^[A-Za-z]{1,64}$/.test(code) ? code : `HTTP status ${status}`

const isFault = (cause: unknown): cause is S3Fault =>
  typeof cause === 'object' && cause !== null && 'status' in cause && !(cause instanceof Error)

const away = (where: string, why: string): AppError =>
  new AppError('storage_unavailable', `The bucket ${where} of this collection does not answer: ${why}`, {
    hint: 'Try again in a moment. If it lasts, look at the bucket.',
    retryable: true,
    retryAfterSeconds: 5,
  })

/**
 * Translates an error of the S3 client for a bucket that is named by `storage_info`. A passing failure stays
 * `storage_unavailable`; what a user has to correct becomes `conflict`, which no step waits for.
 */
const bucketError = (where: string, error: unknown): unknown => {
  if (!(error instanceof AppError)) return error
  if (error.code === 'address_refused') {
    return new AppError('conflict', `The bucket ${where} of this collection has an address that is not allowed`, {
      hint: 'Set storage_info.endpoint to a public address, or ask the operator to allow it in JETTY_ALLOW_PRIVATE_NETWORK.',
    })
  }
  if (error.code !== 'storage_unavailable' && error.code !== 'storage_full') return error
  const fault = error.cause
  if (!isFault(fault)) return fault instanceof AppError ? away(where, fault.message) : error
  const said = saidBy(fault)
  if (error.code === 'storage_full' || !error.retryable) {
    return new AppError('conflict', `The bucket ${where} of this collection refused a request: ${said}`, {
      hint:
        error.code === 'storage_full'
          ? 'Raise the quota of the bucket, or free some space in it.'
          : (remedies[said] ?? denied),
      cause: { status: fault.status, code: said },
    })
  }
  return away(where, said)
}

/** Wraps a client so that its errors name `storage_info` instead of settings of the server. */
export const withBucketErrors = (client: S3Client): S3Client =>
  Object.create(client, {
    send: {
      value: (request: Parameters<S3Client['send']>[0]) =>
        client.send(request).catch((error: unknown) => {
          throw bucketError(client.where, error)
        }),
    },
  }) as S3Client

/** Whether the whole bucket is gone, so that there is nothing to remove. */
export const isBucketGone = (error: unknown): boolean =>
  error instanceof AppError && isFault(error.cause) && error.cause.code === 'NoSuchBucket'

export const objectGone = (where: string, key: string): AppError =>
  new AppError('not_found', `The bytes of this file are not in the bucket of its collection: ${where} has no ${key}`, {
    hint: 'Put the object back into the bucket.',
  })

export const objectChanged = (where: string, key: string, sizes: { found: number; stored: number }): AppError =>
  new AppError('conflict', `${where}/${key} was changed: it has ${sizes.found} bytes instead of ${sizes.stored}`, {
    hint: 'Put the object back, or upload the new bytes as another data file.',
  })

export const bucketLeft = (bucket: string): AppError =>
  new AppError('conflict', `This file is in the bucket ${bucket}, which the collection no longer names`, {
    hint: 'Set storage_info back to that bucket, with keys that may read it.',
  })
