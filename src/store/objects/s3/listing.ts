import { elements, elementText, s3AnswerText } from './answer.ts'
import type { S3Client } from './client.ts'

interface ListedObject {
  /** Key without the prefix of the location. */
  name: string
  /** When it was written, by the clock of the storage. */
  writtenMs: number
}

export interface ListedPage {
  objects: ListedObject[]
  /** Time of the storage's clock. */
  nowMs: number
}

const pageSize = 1_000
const mostListBytes = 8 * 1024 * 1024

const nowOf = (headers: Record<string, string>): number => {
  const ms = Date.parse(headers.date ?? '')
  return Number.isNaN(ms) ? Date.now() : ms
}

/** Lists objects below a folder, a page of 1,000 at a time, in the order of their keys. */
export async function* listObjects(client: S3Client, folder: string): AsyncGenerator<ListedPage> {
  const prefix = client.keyOf(folder)
  const own = client.keyOf('').length
  let token: string | undefined
  do {
    const query = { 'list-type': '2', prefix, 'max-keys': String(pageSize) }
    const more = token === undefined ? {} : { 'continuation-token': token }
    const answer = await client.send({ method: 'GET', query: { ...query, ...more } })
    const text = await s3AnswerText(answer.body, mostListBytes)
    const objects = elements(text, 'Contents').map((item) => ({
      name: (elementText(item, 'Key') ?? '').slice(own),
      writtenMs: Date.parse(elementText(item, 'LastModified') ?? ''),
    }))
    yield { objects, nowMs: nowOf(answer.headers) }
    token = elementText(text, 'IsTruncated') === 'true' ? elementText(text, 'NextContinuationToken') : undefined
  } while (token !== undefined)
}

interface ListedUpload {
  key: string
  uploadId: string
  begunMs: number
}

/** Lists uploads in parts that were begun and neither completed nor aborted, up to 1,000. */
export const listUploadsInParts = async (client: S3Client): Promise<{ uploads: ListedUpload[]; nowMs: number }> => {
  const query = { uploads: '', prefix: client.keyOf('objects/'), 'max-uploads': String(pageSize) }
  const answer = await client.send({ method: 'GET', query })
  const own = client.keyOf('').length
  const uploads = elements(await s3AnswerText(answer.body, mostListBytes), 'Upload').map((item) => ({
    key: (elementText(item, 'Key') ?? '').slice(own),
    uploadId: elementText(item, 'UploadId') ?? '',
    begunMs: Date.parse(elementText(item, 'Initiated') ?? ''),
  }))
  return { uploads, nowMs: nowOf(answer.headers) }
}
