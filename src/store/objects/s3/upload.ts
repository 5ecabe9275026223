import { createHash, randomUUID } from 'node:crypto'
import { AppError } from '../../../lib/errors.ts'
import { makeByteBlocks } from '../../../lib/memory/byte-blocks.ts'
import type { Share } from '../../../lib/memory/byte-budget.ts'
import { fileTooLarge } from '../object-id.ts'
import { elementText, escapeXml, isStorageUnavailable, type S3Fault, s3AnswerText, storageFailure } from './answer.ts'
import type { S3Client } from './client.ts'

/** A piece of a body that is sent in one request. */
interface BodyPart {
  bytes: Uint8Array
  /** From 1. */
  number: number
  /** Whether the body ends with it. */
  isLast: boolean
  /** Memory taken from the share for it. Give it back once the part is sent. */
  reserved: number
}

const firstPartBytes = 8 * 1024 * 1024
const partsOfOneSize = 1_000
const mostParts = 10_000

/** Returns the size of a part. It doubles after every thousand parts, up to 64 MiB, since S3 accepts only 10,000. */
const partBytes = (number: number): number =>
  firstPartBytes * 2 ** Math.min(3, Math.floor((number - 1) / partsOfOneSize))

/** A body with more than this reserves the memory of a whole part: it can always finish the one that it fills. */
const smallBytes = 256 * 1024

/** Memory to reserve for a part that has so many bytes and may get `most`. */
const reservedFor = (bytes: number, most: number): number => {
  if (bytes === 0) return 0
  return bytes <= smallBytes ? Math.min(smallBytes, most) : most
}

interface MeasuredBody {
  parts: AsyncGenerator<BodyPart, void>
  /** Size and SHA-256 of what was read so far. */
  measured(): { size: number; sha256: string }
}

interface CutOptions {
  maxBytes: number
  /** Where memory is taken from; undefined: the body is in memory already, and parts are views of it. */
  share: Share | undefined
  sizeOf?: ((number: number) => number) | undefined
}

const wait = { what: 'Storing a file', waitMs: 30_000 }

/**
 * Cuts a body into parts; the last one may be empty only if it is the only one. Takes memory from the share as bytes
 * arrive. Throws `too_large` above `maxBytes`, and `busy` when there is no memory for half a minute.
 */
export const cutBody = (
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { maxBytes, share, sizeOf = partBytes }: CutOptions,
): MeasuredBody => {
  const hash = createHash('sha256')
  let size = 0
  const held = makeByteBlocks()
  let number = 1

  const take = (isLast: boolean): BodyPart => {
    const reserved = reservedFor(held.size, sizeOf(number))
    return { bytes: held.take(), number: number++, isLast, reserved }
  }
  const add = async (piece: Uint8Array): Promise<void> => {
    const most = sizeOf(number)
    const more = reservedFor(held.size + piece.length, most) - reservedFor(held.size, most)
    if (share && more > 0) await share.add(more, wait)
    held.add(piece)
  }
  const parts = async function* (): AsyncGenerator<BodyPart, void> {
    for await (const chunk of body) {
      size += chunk.length
      if (size > maxBytes) throw fileTooLarge(maxBytes)
      hash.update(chunk)
      for (let at = 0; at < chunk.length; ) {
        if (held.size === sizeOf(number)) yield take(false) // not before more arrives: the last part is marked
        if (number > mostParts) throw new AppError('too_large', 'The file has more than 10,000 parts of 64 MiB')
        const piece = chunk.subarray(at, at + sizeOf(number) - held.size)
        await add(piece)
        at += piece.length
      }
    }
    yield take(true)
  }
  return { parts: parts(), measured: () => ({ size, sha256: hash.copy().digest('hex') }) }
}

const partsInFlight = 2
const mostAnswerBytes = 1024 * 1024
/** S3 puts the parts together before it answers. */
const completeSeconds = 120

const damagedUpload = ({ where }: S3Client, key: string): AppError =>
  new AppError('storage_unavailable', `The storage ${where} stored ${key} incompletely`, { retryAfterSeconds: 5 })

interface PartsUpload {
  first: BodyPart
  body: MeasuredBody
  share: Share
  /** Whether the object is stored after all, although the answer was lost. */
  isStored(size: number): Promise<boolean>
  /** Headers of an object that must not exist yet; undefined: the key is random. */
  onlyNew?: Record<string, string>
}

const beginParts = async (client: S3Client, key: string, headers: Record<string, string>): Promise<string> => {
  const answer = await client.send({ method: 'POST', key, query: { uploads: '' }, headers })
  const uploadId = elementText(await s3AnswerText(answer.body, mostAnswerBytes), 'UploadId')
  if (uploadId) return uploadId
  throw damagedUpload(client, key)
}

/** Sends the parts of a body, two at a time, until it ends or one of them fails. Returns their ETags in order. */
const sendParts = async (
  client: S3Client,
  key: string,
  uploadId: string,
  { first, body: { parts }, share }: PartsUpload,
  stop: AbortController,
): Promise<string[]> => {
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
  begin(first)
  for (;;) {
    if (sending.size >= partsInFlight) await Promise.race(sending)
    // A part that fails while the sender is slow ends the upload at once.
    const next = await Promise.race([parts.next(), failureAmong(sending)])
    if (next.done) break
    begin(next.value)
  }
  await Promise.all(sending)
  return tags
}

/** Uploads a body in parts. Returns false when it must be new and the key is taken; then, and on failure, nothing stays. */
const putInParts = async (client: S3Client, key: string, upload: PartsUpload): Promise<boolean> => {
  const uploadId = await beginParts(client, key, upload.onlyNew ?? {})
  const stop = new AbortController()
  const abort = () =>
    client.send({ method: 'DELETE', key, query: { uploadId }, accept: [404] }).then(
      ({ close }) => close(),
      () => {}, // the sweep aborts it in a day
    )
  try {
    const tags = await sendParts(client, key, uploadId, upload, stop)
    const isDone = await complete(client, key, { uploadId, tags, ...upload })
    if (!isDone) await abort()
    return isDone
  } catch (error) {
    stop.abort()
    void upload.body.parts.return().catch(() => {})
    const aborted = abort()
    if (!isStorageUnavailable(error)) await aborted
    throw error
  }
}

/** Rejects when one of these does, and never resolves. */
const failureAmong = (sending: Set<Promise<void>>): Promise<never> =>
  new Promise((_, reject) => {
    for (const sent of sending) sent.catch(reject)
  })

interface PartsOfObject extends Pick<PartsUpload, 'body' | 'isStored' | 'onlyNew'> {
  uploadId: string
  /** ETags of the parts, in order. */
  tags: string[]
}

/** Puts the parts together; false when the key is taken. After a lost answer `isStored` decides whether it was done. */
const complete = async (client: S3Client, key: string, object: PartsOfObject): Promise<boolean> => {
  const { uploadId, tags, onlyNew, isStored } = object
  const { size } = object.body.measured()
  const parts = tags.map((tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escapeXml(tag)}</ETag></Part>`)
  const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
  const request = { method: 'POST', key, query: { uploadId }, body, firstByteSeconds: completeSeconds } as const
  const headers = onlyNew ? { 'if-none-match': '*' } : {}
  try {
    let answer = await client.send({ ...request, headers, accept: onlyNew ? [404, 412, 501] : [404] })
    if (answer.status === 412) return await isStored(size)
    if (answer.status === 501) answer = await client.send({ ...request, accept: [404] })
    if (answer.status === 404) throw storageFailure(client.where, { ...lostUpload, code: answer.code })
    const text = await s3AnswerText(answer.body, mostAnswerBytes)
    const code = text.includes('<Error>') ? elementText(text, 'Code') : undefined // also with status 200
    if (code === undefined) return true
    throw storageFailure(client.where, { status: 500, code, message: elementText(text, 'Message') ?? '' })
  } catch (error) {
    if (await isStored(size).catch(() => false)) return true
    throw error
  }
}

const lostUpload: S3Fault = { status: 500, code: undefined, message: 'the parts of an upload are gone' }

/** Uploads a body under a key that was never used: in one request if it is short, else in parts. A failure leaves nothing. */
export const uploadBody = async (client: S3Client, key: string, body: MeasuredBody, share: Share): Promise<void> => {
  const first = await body.parts.next()
  if (first.done) return
  if (first.value.isLast) return putWhole(client, key, first.value.bytes)
  const isStored = async (size: number) => (await objectSize(client, key)) === size
  await putInParts(client, key, { first: first.value, body, share, isStored })
}

/** Asks with GET: the answer to HEAD does not say why it is refused. */
const isTaken = async (client: S3Client, key: string): Promise<boolean> => {
  const answer = await client.send({ method: 'GET', key, headers: { range: 'bytes=0-0' }, accept: [404, 416] })
  answer.close()
  return answer.status !== 404
}

const uploadMark = 'x-amz-meta-jetty-upload'

/**
 * Uploads a body under a key that others may use at the same time. Returns false when the key is taken; a failure leaves
 * nothing. Asks first, because not every storage knows `If-None-Match`.
 */
export const uploadNew = async (client: S3Client, key: string, body: MeasuredBody, share: Share): Promise<boolean> => {
  if (await isTaken(client, key)) return false
  const first = await body.parts.next()
  if (first.done) return false
  const headers = { [uploadMark]: randomUUID() }
  // After a lost answer the object may be there from an earlier try: the mark tells it from one of somebody else.
  const isStored = async () => {
    const answer = await client.send({ method: 'HEAD', key, accept: [404] })
    answer.close()
    return answer.headers[uploadMark] === headers[uploadMark]
  }
  if (!first.value.isLast)
    return putInParts(client, key, { first: first.value, body, share, isStored, onlyNew: headers })
  return (await putOnce(client, key, first.value.bytes, headers)) || isStored()
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
export const putOnce = async (
  client: S3Client,
  key: string,
  body: Uint8Array,
  more: Record<string, string> = {},
): Promise<boolean> => {
  const isConditional = !withoutConditions.has(client)
  const headers = { ...more, ...(isConditional && { 'if-none-match': '*' }) }
  const answer = await client.send({ method: 'PUT', key, body, headers, accept: isConditional ? [412, 501] : [] })
  answer.close()
  if (answer.status !== 501) return answer.status !== 412
  withoutConditions.add(client)
  return putOnce(client, key, body, more)
}

const putWhole = async (client: S3Client, key: string, bytes: Uint8Array): Promise<void> => {
  if (await putOnce(client, key, bytes)) return
  // The id is random, so the object is from an earlier try whose answer was lost.
  if ((await objectSize(client, key)) !== bytes.length) throw damagedUpload(client, key)
}
