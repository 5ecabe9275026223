import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { messageOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { makeByteBlocks } from '../../lib/memory/byte-blocks.ts'
import type { Open, OpenAnswer } from '../../lib/net/open.ts'
import { retryAfterSeconds } from '../../lib/net/retry-after.ts'
import type { OtlpFormat } from '../../traces/otlp.ts'

/** A collector, of the operator or of a collection. */
export interface CollectorSettings {
  /** Base URL: the path of the signal is appended. */
  url: string
  /** May hold a key: never logged. */
  headers: Readonly<Record<string, string>>
  format: OtlpFormat
  isCompressed: boolean
  timeoutMs: number
}

/**
 * What became of a request. `refused`: it is never taken as it is. `later`: it is taken later, or once somebody has changed
 * a setting.
 */
type SendResult =
  | { kind: 'taken'; answer: Buffer }
  | { kind: 'refused'; why: string }
  | { kind: 'later'; why: string; afterSeconds: number | undefined }

const zip = promisify(gzip)

/** Answers say little; more of one is not read. */
const mostAnswer = 64 * 1024

const readAnswer = async (answer: OpenAnswer): Promise<Buffer> => {
  const said = makeByteBlocks()
  for await (const part of answer.body) {
    said.add(part)
    if (said.size > mostAnswer) break
  }
  answer.close()
  return said.take()
}

/**
 * Statuses by which a collector says that these bytes are at fault. Every other one may pass: a key that has expired, a path
 * that is wrong, a collector that is away.
 */
const refusals = new Set([400, 413, 415, 422])

/** Nobody waits longer because a collector said so. */
const longestWaitSeconds = 3600

const shownCharacters = 200

/** Texts of the headers that are secret: their values, and the last word of each, such as the key after `Bearer`. */
const secretsOf = (headers: CollectorSettings['headers']): string[] =>
  Object.values(headers)
    .flatMap((value) => [value, value.split(' ').at(-1) ?? ''])
    .filter((value) => value.length >= 8)

const withoutSecrets = (text: string, secrets: readonly string[]): string =>
  secrets.reduce((clean, secret) => clean.replaceAll(secret, '***'), text)

/** What a collector says of a failure, on one line. */
const shownOf = (answer: OpenAnswer, body: Buffer): string =>
  /^text\/|json/.test(answer.headers['content-type'] ?? '')
    ? body
        .toString()
        .replace(/[\s\p{Cc}]+/gu, ' ')
        .trim()
        .slice(0, shownCharacters)
    : ''

/** Sends one request. It never rejects: what fails in between is a reason to send again. */
export const makeSender = (open: Open, settings: CollectorSettings) => {
  const { url, headers, format, isCompressed, timeoutMs } = settings
  const secrets = secretsOf(headers)
  const typed = {
    'content-type': format === 'json' ? 'application/json' : 'application/x-protobuf',
    ...(isCompressed && { 'content-encoding': 'gzip' }),
    ...headers,
  }
  return async (path: '/v1/traces' | '/v1/metrics', bytes: Buffer, signal: AbortSignal): Promise<SendResult> => {
    try {
      const body = isCompressed ? await zip(bytes) : bytes
      const timeoutSeconds = timeoutMs / 1000
      const answer = await open(url + path, { method: 'POST', headers: typed, body, timeoutSeconds, signal })
      const said = await readAnswer(answer)
      if (answer.status >= 200 && answer.status <= 299) return { kind: 'taken', answer: said }
      const shown = withoutSecrets(shownOf(answer, said), secrets)
      const why = `The collector answered ${answer.status}${shown ? `: ${shown}` : ''}`
      if (refusals.has(answer.status)) return { kind: 'refused', why }
      const asked = retryAfterSeconds(answer.headers)
      return { kind: 'later', why, afterSeconds: asked && Math.min(asked, longestWaitSeconds) }
    } catch (error) {
      return { kind: 'later', why: withoutSecrets(messageOf(error), secrets), afterSeconds: undefined }
    }
  }
}

/** Name of the library that made spans and metrics, which is the server. */
export const scopeName = 'jetty'

/** Makes a function that logs why a collector does not take something: once, until the reason changes or passes. */
export const makeComplaints = (log: Pick<Logger, 'info' | 'warn'>, what: 'traces' | 'metrics') => {
  let complaint: string | undefined
  return (why: string | undefined): void => {
    if (why === complaint) return
    complaint = why
    if (why === undefined) log.info(`the collector takes ${what} again`)
    else log.warn({ why }, `the collector does not take ${what}: they are sent again later`)
  }
}
