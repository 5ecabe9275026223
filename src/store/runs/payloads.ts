import { randomUUID } from 'node:crypto'
import type { Database, Queries } from '../../database/database.ts'
import { runKeysSince } from '../../lib/ids.ts'
import { now } from '../../lib/time.ts'

/** JSON above this many characters stands outside the step's row. */
export const rowLimit = 64 * 1024

/** What a step's row keeps of a value: its text, or where it stands. */
export interface Placed {
  text: string | null
  payload: string | null
}

/**
 * Puts a large value into a row of its own, before the step that refers to it; gives back what the step's row keeps. A
 * small one is given back at once, without a promise: every step has two of them.
 */
export const placeValue = (
  queries: Pick<Queries, 'rows'>,
  runKey: string,
  text: string | null,
  /** Its id, for those who may have to place it once more: it is there once then. */
  payload?: string,
): Placed | Promise<Placed> =>
  isLarge(text) ? keepPayload(queries, runKey, text, payload ?? randomUUID()) : { text, payload: null }

const isLarge = (text: string | null): text is string => text !== null && text.length > rowLimit

/** Puts a value into a row of its own, as text or as the bytes of one. */
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

/** A large value of a step. */
export const payloadText = async (queries: Queries, payload: string): Promise<string | null> =>
  (await queries.rows<{ body: string }>('payload_text', 'select body from payloads where id = $1', [payload]))[0]
    ?.body ?? null

/** The id of a request that is placed before its call has ended. */
export const requestPayload = (runKey: string): string => `${runKey}-init-params`

const dayMs = 86_400_000
const sweptAtOnce = 1000

/** Removes requests of yesterday and the days before whose call was never recorded: the process died in between. */
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
