/** Owner of a bucket: the id of the store, and a note of each database that has used it. */
import { randomUUID } from 'node:crypto'
import { type DatabaseIdentity, type DatabaseNote, type Ownership, ownershipOf } from '../owner.ts'
import { s3AnswerText } from './answer.ts'
import type { S3Client } from './client.ts'
import { listObjects } from './listing.ts'
import { putOnce } from './upload.ts'

const idKey = 'id'
const notesFolder = 'databases/'

/** Reads the id of a store, which the first process writes. */
export const bucketId = async (client: S3Client): Promise<string> => {
  const read = async (): Promise<string | undefined> => {
    const answer = await client.send({ method: 'GET', key: idKey, accept: [404] })
    return answer.status === 404 ? undefined : (await s3AnswerText(answer.body, 1000)).trim()
  }
  const found = await read()
  if (found !== undefined) return found
  const made = randomUUID()
  return (await putOnce(client, idKey, Buffer.from(`${made}\n`))) ? made : ((await read()) ?? made)
}

interface BucketNote extends DatabaseNote {
  key: string
}

/** Everything that a note says stands in its key: `databases/<installation>/<origin in hex>/<milliseconds>`. */
const readBucketNotes = async (client: S3Client): Promise<{ notes: BucketNote[]; nowMs: number }> => {
  const notes: BucketNote[] = []
  let nowMs = Date.now()
  for await (const page of listObjects(client, notesFolder)) {
    nowMs = page.nowMs
    for (const { name: key } of page.objects) {
      const [, installation = '', origin = '', since = ''] = key.split('/')
      notes.push({ key, installation, origin: Buffer.from(origin, 'hex').toString(), sinceMs: Number(since) })
    }
  }
  return { notes, nowMs }
}

const isOfDatabase = (note: DatabaseNote, { installation, origin }: DatabaseIdentity): boolean =>
  note.installation === installation && note.origin === origin

const writeNote = async (client: S3Client, { installation, origin }: DatabaseIdentity, sinceMs: number) => {
  const key = `${notesFolder}${installation}/${Buffer.from(origin).toString('hex')}/${sinceMs}`
  await putOnce(client, key, Buffer.alloc(0))
  return key
}

/** Notes that this database uses the bucket, and returns which others have. */
export const lookAtBucketOwner = async (client: S3Client, identity: DatabaseIdentity): Promise<Ownership> => {
  const { notes, nowMs } = await readBucketNotes(client)
  if (notes.some((note) => isOfDatabase(note, identity))) return ownershipOf(notes, identity)
  await writeNote(client, identity, nowMs)
  return ownershipOf((await readBucketNotes(client)).notes, identity)
}

/** Makes this database the only owner of the bucket. Another one that still uses it notes itself again and is detected. */
export const adoptBucket = async (client: S3Client, identity: DatabaseIdentity): Promise<void> => {
  const { notes, nowMs } = await readBucketNotes(client)
  const times = notes
    .filter(({ installation, sinceMs }) => installation === identity.installation && Number.isFinite(sinceMs))
    .map(({ sinceMs }) => sinceMs)
  const kept = await writeNote(client, identity, Math.min(nowMs, ...times))
  for (const { key } of notes) {
    if (key !== kept) (await client.send({ method: 'DELETE', key, accept: [404] })).close()
  }
}
