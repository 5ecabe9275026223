import { readStart } from '../../../lib/memory/byte-blocks.ts'
import type { OpenAnswer } from '../../../lib/net/open.ts'
import { elementText } from './xml-text.ts'

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
