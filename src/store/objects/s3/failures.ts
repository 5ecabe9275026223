import { AppError, messageOf } from '../../../lib/errors.ts'
import { isFull, isPassing, type S3Fault } from './answer.ts'

/** Remedies for what an operator can change, by S3's name of the error. */
const remedies: Record<string, string> = {
  NoSuchBucket: 'Create the bucket, or correct its name in JETTY_STORAGE.',
  AccessDenied: 'Allow these credentials to read, write, list and delete objects in the bucket.',
  AllAccessDisabled: 'Allow access to the bucket in the account that owns it.',
  InvalidAccessKeyId: 'Correct JETTY_STORAGE_ACCESS_KEY_ID, and check that endpoint= in JETTY_STORAGE is right.',
  SignatureDoesNotMatch: 'Correct JETTY_STORAGE_SECRET_ACCESS_KEY and region= in JETTY_STORAGE.',
  AuthorizationHeaderMalformed: 'Set region= in JETTY_STORAGE to the region of the bucket.',
  PermanentRedirect: 'Set region= or endpoint= in JETTY_STORAGE to those of the bucket.',
  RequestTimeTooSkewed: 'Set the clock of this machine, for example with NTP.',
}

/**
 * Makes the error for a request that the storage refused or did not answer. It is retryable unless an operator has to
 * change something: credentials, the bucket, its region.
 */
export const storageFailure = (where: string, fault: S3Fault): AppError => {
  const { status, code, message } = fault
  const said = code === undefined ? message : `${code}: ${message}`
  if (isFull(fault)) {
    return new AppError('storage_full', `No space left in ${where}: ${said}`, {
      hint: 'Raise the quota of the bucket, or free some space in it.',
      retryAfterSeconds: 30,
      cause: fault,
    })
  }
  const retryable = isPassing(fault)
  const remedy = (code && remedies[code]) ?? (status === 403 ? remedies.AccessDenied : undefined)
  return new AppError('storage_unavailable', `The storage ${where} refused a request: ${said}`, {
    hint: remedy ?? 'Look at the storage, then try again.',
    retryable,
    retryAfterSeconds: 5,
    cause: fault,
  })
}

/** Makes the error for a storage that cannot be reached, or was silent for too long. */
export const storageSilent = (where: string, cause: unknown): AppError =>
  new AppError('storage_unavailable', `The storage ${where} does not answer: ${messageOf(cause)}`, {
    hint: 'Try again in a moment. If it lasts, look at the storage and at the network to it.',
    retryable: true,
    retryAfterSeconds: 5,
    cause,
  })

/** Whether an error says that the storage is away or misconfigured. */
export const isStorageUnavailable = (thrown: unknown): thrown is AppError =>
  thrown instanceof AppError && thrown.code === 'storage_unavailable'
