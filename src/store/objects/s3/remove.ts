import { createHash } from 'node:crypto'
import { AppError } from '../../../lib/errors.ts'
import { throwFailed } from '../removal.ts'
import { elements, elementText, escapeXml, s3AnswerText } from './answer.ts'
import type { S3Client } from './client.ts'

const mostAtOnce = 1_000
const mostAnswerBytes = 4 * 1024 * 1024

interface Failed {
  id: string
  error: unknown
}

const removeOne = async (client: S3Client, key: string, id: string): Promise<Failed[]> => {
  try {
    ;(await client.send({ method: 'DELETE', key, accept: [404] })).close()
    return []
  } catch (error) {
    return [{ id, error }]
  }
}

const failedOf = (answer: string, client: S3Client, ids: ReadonlyMap<string, string>): Failed[] =>
  elements(answer, 'Error').map((item) => {
    const key = (elementText(item, 'Key') ?? '').slice(client.keyOf('').length)
    const said = `${elementText(item, 'Code') ?? 'Error'}: ${elementText(item, 'Message') ?? ''}`
    return { id: ids.get(key) ?? key, error: new AppError('storage_unavailable', said) }
  })

/** Removes up to 1,000 objects in one request; storages that cannot do that get a request for each. */
const removeSome = async (client: S3Client, some: [key: string, id: string][]): Promise<Failed[]> => {
  const items = some.map(([key]) => `<Object><Key>${escapeXml(client.keyOf(key))}</Key></Object>`)
  const body = Buffer.from(`<Delete><Quiet>true</Quiet>${items.join('')}</Delete>`)
  const headers = { 'content-md5': createHash('md5').update(body).digest('base64') }
  try {
    const answer = await client.send({ method: 'POST', query: { delete: '' }, body, headers, accept: [501] })
    if (answer.status !== 501) return failedOf(await s3AnswerText(answer.body, mostAnswerBytes), client, new Map(some))
  } catch (error) {
    return some.map(([, id]) => ({ id, error }))
  }
  const failed: Failed[] = []
  for (const [key, id] of some) failed.push(...(await removeOne(client, key, id)))
  return failed
}

/** Removes objects by key; missing ones are ignored. Tries all, then throws `RemovalFailed` with their ids. */
export const removeKeys = async (client: S3Client, ids: ReadonlyMap<string, string>): Promise<void> => {
  const all = [...ids]
  const failed: Failed[] = []
  const [only] = all
  if (only && all.length === 1) failed.push(...(await removeOne(client, ...only)))
  else {
    for (let at = 0; at < all.length; at += mostAtOnce) {
      failed.push(...(await removeSome(client, all.slice(at, at + mostAtOnce))))
    }
  }
  throwFailed(failed)
}
