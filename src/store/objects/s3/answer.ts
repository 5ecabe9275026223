import { AppError, messageOf } from '../../../lib/errors.ts'
import { readStart } from '../../../lib/memory/byte-blocks.ts'
import type { OpenAnswer } from '../../../lib/net/open.ts'

const entities: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }

const decode = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(lt|gt|quot|apos|amp));/gi, (whole, hex, decimal, name) => {
    if (name) return entities[name.toLowerCase()] ?? whole
    const point = Number.parseInt(hex ?? decimal, hex ? 16 : 10)
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole
  })

/** Returns the text of the first element of this name in an answer of S3, whose documents have no attributes. */
export const elementText = (xml: string, name: string): string | undefined => {
  const [start, end] = [xml.indexOf(`<${name}>`), xml.indexOf(`</${name}>`)]
  return start < 0 || end < start ? undefined : decode(xml.slice(start + name.length + 2, end))
}

/** Returns the inner XML of every element of this name, in order. */
export const elements = (xml: string, name: string): string[] => {
  const found: string[] = []
  const [open, close] = [`<${name}>`, `</${name}>`]
  for (let at = xml.indexOf(open); at >= 0; ) {
    const end = xml.indexOf(close, at)
    if (end < 0) break
    found.push(xml.slice(at + open.length, end))
    at = xml.indexOf(open, end)
  }
  return found
}

/** Escapes text for an element. */
export const escapeXml = (text: string): string =>
  text.replace(/[<>&]/g, (sign) => (sign === '<' ? '&lt;' : sign === '>' ? '&gt;' : '&amp;'))

/** An answer of the storage with a status that the request allows. Read `body` or call `close`. */
export interface S3Answer extends OpenAnswer {
  /** S3's name of the error, such as `NoSuchKey`; undefined for a success and without a body. */
  code: string | undefined
}

/** Why a request failed, in S3's words. */
export interface S3Fault {
  status: number
  code: string | undefined
  message: string
}

const mostErrorBytes = 64 * 1024

/** Reads a short answer as text. */
export const s3AnswerText = async (body: AsyncIterable<Uint8Array>, mostBytes: number): Promise<string> =>
  (await readStart(body, mostBytes + 1)).toString()

/** Reads why a request failed. */
export const readFault = async ({ status, body }: OpenAnswer): Promise<S3Fault> => {
  const text = await s3AnswerText(body, mostErrorBytes).catch(() => '')
  const code = elementText(text, 'Code')
  return { status, code, message: elementText(text, 'Message') ?? `HTTP status ${status}` }
}

const passing = new Set([
  'SlowDown',
  'RequestTimeout',
  'InternalError',
  'ServiceUnavailable',
  'OperationAborted',
  'ConditionalRequestConflict',
  'Throttling',
  'RequestLimitExceeded',
])

/** Whether the same request may succeed in a moment. */
export const isPassing = ({ status, code }: S3Fault): boolean =>
  (status >= 500 && status !== 501 && status !== 505 && status !== 507) ||
  status === 429 ||
  status === 408 ||
  (code !== undefined && passing.has(code))

/** Whether the server considers the clock of this machine wrong. */
export const isSkewed = ({ status, code }: S3Fault): boolean => status === 403 && code === 'RequestTimeTooSkewed'

const stale = new Set(['ExpiredToken', 'InvalidToken', 'TokenRefreshRequired', 'ExpiredTokenException'])

/** Whether newer credentials may succeed. */
export const isExpired = ({ code }: S3Fault): boolean => code !== undefined && stale.has(code)

const full = new Set(['QuotaExceeded', 'XMinioStorageFull', 'InsufficientStorage', 'AccountProblem'])

/** Whether the storage has no room. */
export const isFull = ({ status, code }: S3Fault): boolean => status === 507 || (code !== undefined && full.has(code))

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
