import { randomUUID } from 'node:crypto'
import type { Queries } from '../database/database.ts'

/** JSON above this many characters stands outside the step's row. */
const rowLimit = 64 * 1024

/** What a step's row keeps of a value: its text, or where it stands. */
export interface Placed {
  text: string | null
  payload: string | null
}

/**
 * Puts a large value into a row of its own, before the step that refers to it; gives back what the step's row keeps. A
 * small one is given back at once, without a promise: every step has two of them.
 */
export const placeValue = (queries: Queries, runKey: string, text: string | null): Placed | Promise<Placed> =>
  text === null || text.length <= rowLimit ? { text, payload: null } : keepPayload(queries, runKey, text)

const keepPayload = async (queries: Queries, runKey: string, text: string): Promise<Placed> => {
  const payload = randomUUID()
  await queries.rows('keep_payload', 'insert into payloads (id, run_id, body) values ($1, $2, $3)', [
    payload,
    runKey,
    text,
  ])
  return { text: null, payload }
}
