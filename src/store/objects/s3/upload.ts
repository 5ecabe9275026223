import { randomUUID } from 'node:crypto'
import type { Share } from '../../../lib/memory/byte-budget.ts'
import type { S3Client } from './client.ts'
import { damagedUpload, putInParts } from './multipart.ts'
import type { MeasuredBody } from './parts.ts'

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
