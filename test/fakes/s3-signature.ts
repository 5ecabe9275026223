/** Signature Version 4 as a server checks it, written from the specification and not from the library under test. */
import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)

export interface SignatureRules {
  secrets: Record<string, string>
  region: string
  nowMs: number
}

const parseDate = (text: string): number =>
  Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))

const mostSkewMs = 15 * 60_000

const keyOf = (secret: string, day: string, region: string): Buffer =>
  [region, 's3', 'aws4_request'].reduce(hmac, hmac(`AWS4${secret}`, day))

const canonicalQuery = (search: string, but?: string): string =>
  [...new URLSearchParams(search)]
    .filter(([name]) => name !== but)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')

const canonicalPath = (path: string): string => decodeURIComponent(path).split('/').map(encode).join('/')

/** Returns S3's code of the fault of a link, whose signature is in its query; undefined when it is good. */
export const linkFault = (request: IncomingMessage, rules: SignatureRules): string | undefined => {
  const [path = '', search = ''] = (request.url ?? '').split('?')
  const given = (name: string) => new URLSearchParams(search).get(`X-Amz-${name}`) ?? ''
  const [keyId = '', day = '', region = '', service] = given('Credential').split('/')
  const secret = rules.secrets[keyId]
  if (secret === undefined) return 'InvalidAccessKeyId'
  if (region !== rules.region || service !== 's3' || given('SignedHeaders') !== 'host') return 'AccessDenied'
  const seconds = Number(given('Expires'))
  if (!(seconds > 0 && seconds <= 604_800) || parseDate(given('Date')) + seconds * 1000 < rules.nowMs)
    return 'AccessDenied'
  const canonical = [
    request.method,
    canonicalPath(path),
    canonicalQuery(search, 'X-Amz-Signature'),
    `host:${request.headers.host}`,
    '',
    'host',
    'UNSIGNED-PAYLOAD',
  ].join('\n')
  const text = `AWS4-HMAC-SHA256\n${given('Date')}\n${day}/${region}/s3/aws4_request\n${sha256(canonical)}`
  return hmac(keyOf(secret, day, region), text).toString('hex') === given('Signature')
    ? undefined
    : 'SignatureDoesNotMatch'
}

/** Returns S3's code of the fault of a request; undefined when its signature and date are right. */
export const signatureFault = (request: IncomingMessage, rules: SignatureRules): string | undefined => {
  const header = request.headers.authorization ?? ''
  const [, keyId = '', day = '', region = '', service = '', names = '', signature = ''] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      header,
    ) ?? []
  if (keyId === '') return 'AccessDenied'
  const secret = rules.secrets[keyId]
  if (secret === undefined) return 'InvalidAccessKeyId'
  if (region !== rules.region || service !== 's3') return 'AuthorizationHeaderMalformed'
  const date = String(request.headers['x-amz-date'] ?? '')
  if (!(Math.abs(parseDate(date) - rules.nowMs) <= mostSkewMs)) return 'RequestTimeTooSkewed'
  const signed = names.split(';')
  const mustBeSigned = ['host', ...Object.keys(request.headers).filter((name) => name.startsWith('x-amz-'))]
  if (!mustBeSigned.every((name) => signed.includes(name))) return 'AccessDenied'
  const [path = '', search = ''] = (request.url ?? '').split('?')
  const canonical = [
    request.method,
    canonicalPath(path),
    canonicalQuery(search),
    ...signed.map((name) => `${name}:${String(request.headers[name] ?? '').trim()}`),
    '',
    names,
    request.headers['x-amz-content-sha256'],
  ].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const wanted = hmac(keyOf(secret, day, region), `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha256(canonical)}`).toString(
    'hex',
  )
  return wanted === signature ? undefined : 'SignatureDoesNotMatch'
}
