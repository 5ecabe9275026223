import { randomUUID } from 'node:crypto'
import { runKeysSince } from '../../lib/ids.ts'
import { now } from '../../lib/time.ts'
import type { Database, Queries } from '../database/database.ts'
import { query, text } from '../database/table.ts'

/** JSON with more characters than this is stored outside the step's row. */
export const rowLimit = 64 * 1024

/** A value as a step's row stores it: its text, or a reference. */
export interface Placed {
  text: string | null
  payload: string | null
}

/**
 * Stores a large value in `payloads`, before the step that refers to it, and returns what the step's row stores.
 * Returns a small value synchronously: every step has two of them.
 */
export const placeValue = (
  queries: Pick<Queries, 'rows'>,
  runKey: string,
  text: string | null,
  /** Id of the payload, for callers that may store it again: it then exists only once. */
  payload?: string,
): Placed | Promise<Placed> =>
  isLarge(text) ? keepPayload(queries, runKey, text, payload ?? randomUUID()) : { text, payload: null }

const isLarge = (text: string | null): text is string => text !== null && text.length > rowLimit

/** Stores a value in `payloads`, as text or as its bytes. */
export const keepPayload = async (
  queries: Pick<Queries, 'rows'>,
  runKey: string,
  text: string | Buffer,
  payload: string,
): Promise<Placed> => {
  await queries.rows(
    'keep_payload',
    'insert into payloads (id, run_id, body) values ($1, $2, $3) on conflict do nothing',
    [payload, runKey, text],
  )
  return { text: null, payload }
}

const payloadBody = query('payload_text', { body: text }, 'select body from payloads where id = $1')

/** Reads a large value of a step. */
export const payloadText = async (queries: Queries, payload: string): Promise<string | null> =>
  (await payloadBody(queries, payload))[0]?.body ?? null

/** Id of the payload of a request that is stored before its call has ended. */
export const requestPayload = (runKey: string): string => `${runKey}-init-params`

const dayMs = 86_400_000
const sweptAtOnce = 1000

/** Deletes requests older than a day whose call was never recorded, because its process died. */
export const sweepRequestPayloads = async (database: Database, nowMs = now()): Promise<void> => {
  const between = [runKeysSince(nowMs - 4 * dayMs), runKeysSince(nowMs - dayMs)]
  for (;;) {
    const removed = await database.rows(
      'sweep_request_payloads',
      `delete from payloads where id in (
         select id from payloads p where id >= $1 and id < $2 and id like '%-init-params'
           and not exists (select from runs where id = p.run_id) limit ${sweptAtOnce})
       returning 1`,
      between,
    )
    if (removed.length < sweptAtOnce) return
  }
}
