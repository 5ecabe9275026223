import { randomUUID } from 'node:crypto'
import { runKeysSince } from '../../lib/ids.ts'
import { now } from '../../lib/time.ts'
import type { Database, Queries } from '../database/database.ts'
import { orNull, query, queryOne, text } from '../database/table.ts'
import type { RunRow } from './runs.ts'
import type { StepRecord, StoredStep } from './step-row.ts'

/** Reserves memory before that many bytes are read; undefined when it is available at once. */
export type TakeMemory = (bytes: number) => Promise<void> | undefined

/** For callers whose number is bounded otherwise, such as webhooks. */
export const uncounted: TakeMemory = () => undefined

const payloadTexts = query(
  'payload_texts',
  { id: text, body: text },
  'select id, body from payloads where id = any($1::text[])',
  (ids: string[]) => [ids],
)

/** Returns copies of the steps with their large values, once memory for them is reserved. */
export const withLargeValues = async (
  queries: Queries,
  steps: StoredStep[],
  take: TakeMemory,
): Promise<StepRecord[]> => {
  const large = steps.filter(({ payload_bytes }) => payload_bytes > 0)
  if (large.length === 0) return steps
  await take(large.reduce((sum, { payload_bytes }) => sum + payload_bytes, 0))
  const ids = large.flatMap(({ inputs_payload: inputs, outputs_payload: outputs }) => [inputs, outputs])
  const rows = await payloadTexts(
    queries,
    ids.filter((id) => id !== null),
  )
  const bodies = new Map(rows.map(({ id, body }) => [id, body]))
  const bodyOf = (id: string | null): string | null => (id === null ? null : (bodies.get(id) ?? null))
  return steps.map((step) =>
    step.payload_bytes === 0
      ? step
      : {
          ...step,
          inputs: step.inputs ?? bodyOf(step.inputs_payload),
          outputs: step.outputs ?? bodyOf(step.outputs_payload),
        },
  )
}

/** A run with its `init_params`, whatever their size. */
export type WholeRun = RunRow & { init_params: string }

const wholeInitParams = queryOne(
  'whole_init_params',
  { text: orNull(text) },
  'select coalesce(r.init_params, (select body from payloads where id = r.init_params_payload)) as text from runs r where id = $1',
  (runKey: string) => [runKey],
)

/** Reads large `init_params`, once memory for them is reserved. */
export const withInitParams = async (queries: Queries, run: RunRow, take: TakeMemory): Promise<WholeRun> => {
  if (run.init_params !== null) return run as WholeRun
  await take(run.init_params_bytes)
  const row = await wholeInitParams(queries, run.id)
  return { ...run, init_params: row?.text ?? '{}' }
}

const beginningOf = queryOne(
  'init_params_beginning',
  { text: orNull(text) },
  `select left(coalesce(r.init_params, (select body from payloads where id = r.init_params_payload)), $2) as text
     from runs r where id = $1`,
  (runKey: string, characters: number) => [runKey, characters],
)

/** Reads the first characters of a run's `init_params`. */
export const initParamsBeginning = async (queries: Queries, runKey: string, characters: number): Promise<string> => {
  const row = await beginningOf(queries, runKey, characters)
  return row?.text ?? '{}'
}

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

const payloadBody = query(
  'payload_text',
  { body: text },
  'select body from payloads where id = $1',
  (payload: string) => [payload],
)

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
