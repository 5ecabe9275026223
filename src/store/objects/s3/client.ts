import { createHash } from 'node:crypto'
import { AwsV4Signer } from 'aws4fetch'
import { backoffMs } from '../../../lib/backoff.ts'
import { AppError } from '../../../lib/errors.ts'
import { afterAwake } from '../../../lib/in-time.ts'
import type { Open, OpenAnswer } from '../../../lib/net/open.ts'
import { retryAfterSeconds } from '../../../lib/net/retry-after.ts'
import { type BucketLocation, shownLocation } from '../../../lib/settings/storage-location.ts'
import { pause } from '../../../lib/time.ts'
import type { StorageState } from '../objects.ts'
import {
  isExpired,
  isPassing,
  isSkewed,
  readFault,
  type S3Answer,
  type S3Fault,
  storageFailure,
  storageSilent,
} from './answer.ts'

/** Keys for one account of an S3-compatible storage. */
export interface S3Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | undefined
}

interface UnsignedRequest {
  method: string
  url: string
  headers: Record<string, string>
  /** SHA-256 of the body in hex: the server refuses other bytes. */
  bodyHash: string
  region: string
  /** Milliseconds since 1970; the server refuses what differs from its clock by 15 minutes. */
  atMs: number
  /** Service of the endpoint; default: s3. */
  service?: string
}

/** Keys derived from the secret, one a day: signing with them takes a quarter of the time. */
const derivedKeys = new Map<string, ArrayBuffer>()
const mostDerivedKeys = 100

/** Signs a request with AWS Signature Version 4. Returns all its headers. */
const signRequest = async (
  { method, url, headers, bodyHash, region, atMs, service = 's3' }: UnsignedRequest,
  { accessKeyId, secretAccessKey, sessionToken }: S3Credentials,
): Promise<Record<string, string>> => {
  if (derivedKeys.size > mostDerivedKeys) derivedKeys.clear()
  const signer = new AwsV4Signer({
    method,
    url,
    headers: { ...headers, 'x-amz-content-sha256': bodyHash },
    accessKeyId,
    secretAccessKey,
    ...(sessionToken !== undefined && { sessionToken }),
    service,
    region,
    datetime: new Date(atMs).toISOString().replace(/[:-]|\.\d{3}/g, ''),
    cache: derivedKeys,
  })
  return Object.fromEntries((await signer.sign()).headers)
}

interface LinkToSign {
  url: string
  region: string
  atMs: number
  /** How long the link is good; S3: at most a week. */
  seconds: number
}

/** Signs a URL for GET, so that whoever has it may read what it names until it expires. */
const signLink = async (
  { url, region, atMs, seconds }: LinkToSign,
  { accessKeyId, secretAccessKey, sessionToken }: S3Credentials,
): Promise<string> => {
  const expiring = new URL(url)
  expiring.searchParams.set('X-Amz-Expires', String(seconds))
  const signer = new AwsV4Signer({
    method: 'GET',
    url: expiring.href,
    accessKeyId,
    secretAccessKey,
    ...(sessionToken !== undefined && { sessionToken }),
    service: 's3',
    region,
    datetime: new Date(atMs).toISOString().replace(/[:-]|\.\d{3}/g, ''),
    signQuery: true,
    cache: derivedKeys,
  })
  return (await signer.sign()).url.href.replaceAll('+', '%20') // not every storage reads + as a space
}

/** Where credentials come from: they may expire. */
export interface CredentialSource {
  get(): Promise<S3Credentials>
  /** Drops the cached credentials, because the server refused them as expired. */
  forget(): void
}

interface S3Request {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Below the prefix; undefined: the bucket itself. */
  key?: string
  query?: Record<string, string>
  headers?: Record<string, string>
  body?: Uint8Array
  /** Statuses beside 2xx that are an answer, not a failure. */
  accept?: readonly number[]
  /** Time to the first byte of the answer beyond what sending the body takes; default: 15. */
  firstByteSeconds?: number
  signal?: AbortSignal | undefined
}

export interface S3Client {
  /** `s3://bucket/prefix`, for messages. */
  readonly where: string
  readonly state: StorageState
  /** Key of an object with the prefix of the location. */
  keyOf(name: string): string
  /** Makes a link that reads an object until it expires. `query` replaces headers of the answer. */
  link(key: string, query: Record<string, string>, seconds: number): Promise<string>
  /** Sends a request, again when that can help. Throws `storage_unavailable`, `storage_full` or `cancelled`. */
  send(request: S3Request): Promise<S3Answer>
}

export interface S3ClientOptions {
  location: BucketLocation
  region: string
  credentials: CredentialSource
  open: Open
  /** Pause before the second try; further ones are four times as long each. Tests shorten it. */
  firstPauseMs?: number
  firstByteSeconds?: number
  idleSeconds?: number
  /** Silence after which the storage is asked whether it answers at all, and the time that it has for that. */
  aliveSeconds?: number
}

const tries = 4
const longestPauseMs = 5_000
const emptyHash = createHash('sha256').digest('hex')
/** A connection slower than this is as good as none. */
const slowestBytesPerSecond = 256 * 1024
/** A large object may take hours to a slow reader. */
const longestAnswerSeconds = 86_400

/** Returns the URL of a bucket, without a slash at its end. */
export const bucketUrl = ({ bucket, endpoint, isPathStyle }: BucketLocation, region: string): string => {
  const url = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`)
  if (isPathStyle) url.pathname = `/${bucket}`
  else url.hostname = `${bucket}.${url.hostname}`
  return url.href.replace(/\/$/, '')
}

type Outcome =
  | { answer: S3Answer }
  | { fault: S3Fault; headers: Record<string, string> }
  /** `isDead`: it answers to nothing else either, so that another try is in vain. */
  | { silent: unknown; isDead: boolean }

/** Any answer will do, also a refusal. Requests that wait at the same time ask once. */
const makeLifeSign = (open: Open, root: string, seconds: number): (() => Promise<boolean>) => {
  let asking: Promise<boolean> | undefined
  const ask = async (): Promise<boolean> => {
    try {
      const answer = await open(root, { method: 'HEAD', timeoutSeconds: seconds })
      answer.close()
      return true
    } catch {
      return false
    } finally {
      asking = undefined
    }
  }
  return () => {
    asking ??= ask()
    return asking
  }
}

/** Makes a client for one bucket. It signs the content of every request, so that damaged bytes are refused. */
export const makeS3Client = (options: S3ClientOptions): S3Client => {
  const { location, region, credentials, open, firstPauseMs = 200, idleSeconds = 30, aliveSeconds = 4 } = options
  const root = bucketUrl(location, region)
  const where = shownLocation(location)
  const keyOf = (name: string): string => (location.prefix === '' ? name : `${location.prefix}/${name}`)
  const answersAtAll = makeLifeSign(open, root, aliveSeconds)
  let skewMs = 0
  let state: StorageState = { ok: true, reason: null }

  const sendOnce = async (request: S3Request, bodyHash: string, signal: AbortSignal): Promise<OpenAnswer> => {
    const { method, key, query = {}, body, firstByteSeconds = options.firstByteSeconds ?? 15 } = request
    const search = new URLSearchParams(query).toString()
    const url = `${root}${key === undefined ? '' : `/${keyOf(key)}`}${search && `?${search}`}`
    const unsigned = { method, url, headers: request.headers ?? {}, bodyHash, region, atMs: Date.now() + skewMs }
    const headers = await signRequest(unsigned, await credentials.get())
    return open(url, {
      method,
      headers: { ...headers, 'accept-encoding': 'identity' },
      ...(body && { body }),
      signal,
      firstByteSeconds: firstByteSeconds + (body?.length ?? 0) / slowestBytesPerSecond,
      idleSeconds,
      timeoutSeconds: longestAnswerSeconds,
      maxBytes: Number.MAX_SAFE_INTEGER,
    })
  }

  const tryOnce = async (request: S3Request, bodyHash: string): Promise<Outcome> => {
    const dead = new AbortController()
    // A frozen storage accepts connections, and a large body is given minutes.
    const stopAsking = afterAwake(aliveSeconds * 1000, async () => {
      if (!(await answersAtAll())) dead.abort()
    })
    try {
      const signal = request.signal ? AbortSignal.any([request.signal, dead.signal]) : dead.signal
      const opened = await sendOnce(request, bodyHash, signal).finally(stopAsking)
      if (opened.status >= 200 && opened.status < 300) return { answer: Object.assign(opened, { code: undefined }) }
      const fault = await readFault(opened)
      const isAccepted = request.accept?.includes(fault.status) && fault.code !== 'NoSuchBucket'
      if (!isAccepted) return { fault, headers: opened.headers }
      return { answer: Object.assign(opened, { code: fault.code }) }
    } catch (error) {
      const isDead = dead.signal.aborted
      if (isDead) return { silent: new Error(`no answer for ${2 * aliveSeconds} s`), isDead }
      if (error instanceof AppError && ['network_failed', 'timed_out'].includes(error.code)) {
        return { silent: error, isDead }
      }
      throw error
    }
  }

  /**
   * Drops expired credentials, or corrects this client's clock, as an answer demands. Returns false if it demands neither.
   */
  const correct = ({ fault, headers }: Extract<Outcome, { fault: S3Fault }>): boolean => {
    if (isExpired(fault)) {
      credentials.forget()
      return true
    }
    const serverMs = isSkewed(fault) ? Date.parse(headers.date ?? '') : Number.NaN
    if (Number.isNaN(serverMs)) return false
    skewMs = serverMs - Date.now()
    return true
  }

  const send = async (request: S3Request): Promise<S3Answer> => {
    const bodyHash = request.body ? createHash('sha256').update(request.body).digest('hex') : emptyHash
    let isCorrected = false
    for (let tried = 1; ; tried++) {
      const outcome = await tryOnce(request, bodyHash)
      if ('answer' in outcome) {
        state = { ok: true, reason: null }
        return outcome.answer
      }
      if ('fault' in outcome && !isCorrected && correct(outcome)) {
        isCorrected = true
        continue
      }
      const again = 'silent' in outcome ? !outcome.isDead : isPassing(outcome.fault)
      const error = 'silent' in outcome ? storageSilent(where, outcome.silent) : storageFailure(where, outcome.fault)
      if (!again || tried >= tries) {
        state = { ok: false, reason: error.message }
        throw error
      }
      const asked = 'fault' in outcome ? retryAfterSeconds(outcome.headers) : undefined
      const waitMs = Math.min(
        backoffMs(tried, { firstMs: firstPauseMs, factor: 4, jitter: 0.25 }, asked),
        longestPauseMs,
      )
      const isWaited = await pause(waitMs, request.signal)
      if (!isWaited) throw new AppError('cancelled', `A request to ${where} was interrupted`)
    }
  }

  return {
    where,
    get state() {
      return state
    },
    keyOf,
    send,
    async link(key, query, seconds) {
      const url = `${root}/${keyOf(key)}?${new URLSearchParams(query)}`
      return signLink({ url, region, atMs: Date.now() + skewMs, seconds }, await credentials.get())
    },
  }
}
