import { AppError } from '../../../lib/errors.ts'
import type { Share } from '../../../lib/memory/byte-budget.ts'
import { type S3Fault, s3AnswerText } from './answer.ts'
import type { S3Client } from './client.ts'
import { isStorageUnavailable, storageFailure } from './failures.ts'
import type { BodyPart, MeasuredBody } from './parts.ts'
import { elementText, escapeXml } from './xml-text.ts'

const partsInFlight = 2
const mostAnswerBytes = 1024 * 1024
/** S3 puts the parts together before it answers. */
const completeSeconds = 120

/** Uploads a body under a key that was never used: in one request if it is short, else in parts. A failure leaves nothing. */
export const uploadBody = async (client: S3Client, key: string, body: MeasuredBody, share: Share): Promise<void> => {
  const first = await body.parts.next()
  if (first.done) return
  if (first.value.isLast) return putWhole(client, key, first.value.bytes)
  await putInParts(client, key, first.value, body, share)
}

/** Returns the size of an object; undefined when there is none. */
export const objectSize = async (client: S3Client, key: string): Promise<number | undefined> => {
  const answer = await client.send({ method: 'HEAD', key, accept: [404] })
  answer.close()
  return answer.status === 404 ? undefined : Number(answer.headers['content-length'] ?? 0)
}

/** Storages that do not know `If-None-Match` for writes. */
const withoutConditions = new WeakSet<S3Client>()

/** Puts an object that does not exist yet. Returns false when there is one under this key. */
export const putOnce = async (client: S3Client, key: string, body: Uint8Array): Promise<boolean> => {
  const isConditional = !withoutConditions.has(client)
  const headers = isConditional ? { 'if-none-match': '*' } : {}
  const answer = await client.send({ method: 'PUT', key, body, headers, accept: isConditional ? [412, 501] : [] })
  answer.close()
  if (answer.status !== 501) return answer.status !== 412
  withoutConditions.add(client)
  return putOnce(client, key, body)
}

const putWhole = async (client: S3Client, key: string, bytes: Uint8Array): Promise<void> => {
  if (await putOnce(client, key, bytes)) return
  // The id is random, so the object is from an earlier try whose answer was lost.
  if ((await objectSize(client, key)) !== bytes.length) throw damaged(client, key)
}

const damaged = ({ where }: S3Client, key: string): AppError =>
  new AppError('storage_unavailable', `The storage ${where} stored ${key} incompletely`, { retryAfterSeconds: 5 })

const beginParts = async (client: S3Client, key: string): Promise<string> => {
  const answer = await client.send({ method: 'POST', key, query: { uploads: '' } })
  const uploadId = elementText(await s3AnswerText(answer.body, mostAnswerBytes), 'UploadId')
  if (uploadId) return uploadId
  throw damaged(client, key)
}

const putInParts = async (
  client: S3Client,
  key: string,
  first: BodyPart,
  { parts, measured }: MeasuredBody,
  share: Share,
): Promise<void> => {
  const uploadId = await beginParts(client, key)
  const stop = new AbortController()
  const tags: string[] = []
  const sending = new Set<Promise<void>>()
  const sendPart = async ({ bytes, number, reserved }: BodyPart): Promise<void> => {
    const query = { partNumber: String(number), uploadId }
    const answer = await client.send({ method: 'PUT', key, query, body: bytes, signal: stop.signal })
    answer.close()
    tags[number - 1] = answer.headers.etag ?? ''
    share.giveBack(reserved)
  }
  const begin = (part: BodyPart): void => {
    const sent: Promise<void> = sendPart(part).finally(() => sending.delete(sent))
    sent.catch(() => {}) // awaited below
    sending.add(sent)
  }
  try {
    begin(first)
    for (;;) {
      if (sending.size >= partsInFlight) await Promise.race(sending)
      // A part that fails while the sender is slow ends the upload at once.
      const next = await Promise.race([parts.next(), failureAmong(sending)])
      if (next.done) break
      begin(next.value)
    }
    await Promise.all(sending)
    await complete(client, key, { uploadId, tags, size: measured().size })
  } catch (error) {
    stop.abort()
    void parts.return().catch(() => {})
    const aborted = client.send({ method: 'DELETE', key, query: { uploadId }, accept: [404] }).then(
      ({ close }) => close(),
      () => {}, // the sweep aborts it in a day
    )
    if (!isStorageUnavailable(error)) await aborted
    throw error
  }
}

/** Rejects when one of these does, and never resolves. */
const failureAmong = (sending: Set<Promise<void>>): Promise<never> =>
  new Promise((_, reject) => {
    for (const sent of sending) sent.catch(reject)
  })

interface PartsOfObject {
  uploadId: string
  /** ETags of the parts, in order. */
  tags: string[]
  size: number
}

/** Puts the parts together. After a lost answer the size of the object decides whether it was done. */
const complete = async (client: S3Client, key: string, { uploadId, tags, size }: PartsOfObject): Promise<void> => {
  const parts = tags.map((tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escapeXml(tag)}</ETag></Part>`)
  const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
  const request = {
    method: 'POST',
    key,
    query: { uploadId },
    body,
    accept: [404],
    firstByteSeconds: completeSeconds,
  } as const
  try {
    const answer = await client.send(request)
    if (answer.status === 404) throw storageFailure(client.where, { ...lostUpload, code: answer.code })
    const text = await s3AnswerText(answer.body, mostAnswerBytes)
    const code = text.includes('<Error>') ? elementText(text, 'Code') : undefined // also with status 200
    if (code === undefined) return
    throw storageFailure(client.where, { status: 500, code, message: elementText(text, 'Message') ?? '' })
  } catch (error) {
    const stored = await objectSize(client, key).catch(() => undefined)
    if (stored !== size) throw error
  }
}

const lostUpload: S3Fault = { status: 500, code: undefined, message: 'the parts of an upload are gone' }
