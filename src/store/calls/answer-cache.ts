import { batched } from '../../lib/batch.ts'
import type { Database } from '../database/database.ts'
import { bigint, bytes, change, namesOf, query, table, text } from '../database/table.ts'

/** A model's answer as a client received it. */
export interface CachedAnswer {
  provider: string
  model: string
  contentType: string
  body: Buffer
}

/** Identifies a cached answer: an identical request in the same collection hits it. */
export interface CacheKey {
  collectionId: number
  /** SHA-256 of the request, in hex. */
  hash: string
}

export interface CacheLimits {
  /** Time to live of an entry. */
  seconds: number
  /** Maximum size of one answer; larger ones are not cached. */
  entryBytes: number
  /** Maximum entries of one collection; the oldest are evicted first. */
  entries: number
  bytes: number
}

export interface AnswerCache {
  find(key: CacheKey): Promise<CachedAnswer | undefined>
  /** Stores an answer; ignores one above the size limit. */
  keep(key: CacheKey, answer: CachedAnswer): Promise<void>
}

const answers = table('answer_cache', {
  collection_id: bigint,
  hash: text,
  provider: text,
  model: text,
  content_type: text,
  body: bytes,
})
const findAnswers = query(
  'find_answers',
  answers.columns,
  `select ${namesOf(answers.columns)}
       from unnest($1::bigint[], $2::text[]) u(collection_id, hash) join answer_cache using (collection_id, hash)
       where created_at > now() - $3 * interval '1 second'`,
  (keys: CacheKey[], seconds: number) => [
    ...[keys.map((key) => key.collectionId), keys.map((key) => key.hash), seconds],
  ],
)
const keepAnswer = change(
  'keep_model_answer',
  `insert into answer_cache (collection_id, hash, provider, model, content_type, body)
       select id, $2, $3, $4, $5, $6 from collections where id = $1
       on conflict (collection_id, hash) do update set provider = excluded.provider, model = excluded.model,
         content_type = excluded.content_type, body = excluded.body, created_at = now()`,
  ({ collectionId, hash }: CacheKey, { provider, model, contentType, body }: CachedAnswer) => [
    ...[collectionId, hash, provider, model, contentType, body],
  ],
)

const nameOf = (collectionId: number, hash: string): string => `${collectionId}/${hash}`

/** Caches answers in the database, shared by all processes. */
export const makeAnswerCache = (database: Database, limits: CacheLimits): AnswerCache => ({
  find: batched(async (keys: CacheKey[]) => {
    const rows = await findAnswers(database, keys, limits.seconds)
    const found = new Map(
      rows.map(({ collection_id, hash, content_type: contentType, ...row }) => [
        nameOf(collection_id, hash),
        { ...row, contentType },
      ]),
    )
    return keys.map(({ collectionId, hash }) => found.get(nameOf(collectionId, hash)))
  }, 50),

  async keep(key, answer) {
    if (answer.body.length <= limits.entryBytes) await keepAnswer(database, key, answer)
  },
})

/** Evicts expired and surplus entries. The server calls it periodically. */
export const sweepAnswerCache = change(
  'sweep_answer_cache',
  `delete from answer_cache where (collection_id, hash) in (
       select collection_id, hash from (
         select collection_id, hash, created_at, row_number() over newest as place,
           sum(octet_length(body)) over newest as bytes
         from answer_cache
         window newest as (partition by collection_id order by created_at desc, hash rows unbounded preceding)) placed
       where created_at <= now() - $1 * interval '1 second' or place > $2 or bytes > $3)`,
  (limits: CacheLimits) => [limits.seconds, limits.entries, limits.bytes],
)
