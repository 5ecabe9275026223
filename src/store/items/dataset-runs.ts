import { createHash } from 'node:crypto'
import type { Database, Queries } from '../database/database.ts'
import { type Column, change, int, moment, orNull, query, queryOne, type Row, text, textOf } from '../database/table.ts'
import { runs } from '../runs/runs.ts'
import { datasetItems, type ItemPage, type ItemRow, type ItemsAt, queryPage } from './items.ts'

/** The items that the runs of a batch or evaluation execute, in the order of its runs. */
export interface DatasetBatch {
  datasetId: number
  /** Version of the dataset. */
  seq: number
  split: string | null
  taskId: number
  items: readonly Pick<ItemRow, 'item_id' | 'hash'>[]
}

const digestOf = (batch: DatasetBatch): string =>
  createHash('sha256')
    .update(JSON.stringify([batch.datasetId, batch.seq, batch.items.map((item) => [item.item_id, item.hash])]))
    .digest('hex')

/** After so long no other call can be about to store the run of a key. */
const abandoned = "interval '1 minute'"

const removeAbandoned = change(
  'remove_abandoned_dataset_batch',
  `delete from dataset_batches where run_id = $1 and created_at < now() - ${abandoned}
         and not exists (select from runs where id = $1)`,
  (runKey: string) => [runKey],
)
const insertBatch = change(
  'write_dataset_batch',
  `with b as (
         insert into dataset_batches (run_id, dataset_id, seq, split, task_id, digest) values ($1, $2, $3, $4, $5, $6)
         on conflict do nothing returning run_id)
       insert into dataset_runs (run_id, child_index, dataset_id, task_id, item_id, hash)
       select b.run_id, i.at - 1, $2, $5, i.item_id, i.hash
       from b, unnest($7::text[], $8::text[]) with ordinality i(item_id, hash, at) order by i.at`,
  (runKey: string, batch: DatasetBatch, digest: string) => [
    ...[runKey, batch.datasetId, batch.seq, batch.split, batch.taskId, digest],
    batch.items.map((item) => item.item_id),
    batch.items.map((item) => item.hash),
  ],
)
const readDigest = queryOne(
  'read_dataset_batch_digest',
  { digest: text },
  'select digest from dataset_batches where run_id = $1',
  (runKey: string) => [runKey],
)

/**
 * Writes which items a batch is about to run, under the key of its run. Returns false if another call with the same
 * Idempotency-Key has just written other items, because the dataset changed in between. Items that a call left behind
 * when its process died are replaced.
 */
export const writeDatasetBatch = (database: Database, runKey: string, batch: DatasetBatch): Promise<boolean> =>
  database.transaction(async (queries) => {
    const digest = digestOf(batch)
    await removeAbandoned(queries, runKey)
    await insertBatch(queries, runKey, batch, digest)
    return (await readDigest(queries, runKey))?.digest === digest
  })

/** Notes for the repetition of a batch that it runs the same items. Does nothing for batches of other items. */
export const copyDatasetBatch = change(
  'copy_dataset_batch',
  `with b as (
       insert into dataset_batches (run_id, dataset_id, seq, split, task_id, digest)
       select $2, dataset_id, seq, split, task_id, digest from dataset_batches where run_id = $1
       on conflict do nothing returning run_id)
     insert into dataset_runs (run_id, child_index, dataset_id, task_id, item_id, hash)
     select b.run_id, d.child_index, d.dataset_id, d.task_id, d.item_id, d.hash
     from b, dataset_runs d where d.run_id = $1 order by d.child_index`,
  ({ from, to }: { from: string; to: string }) => [from, to],
)

/**
 * How the newest result of an item stands. `fresh`: its content and the task's workflow are the same now. `item_changed`
 * and `task_changed`: the newest completed run had another content, or another workflow. `running`: a run of the same
 * content and workflow is under way. `failed`: the only runs of the same content and workflow did not complete.
 */
export type ResultState = 'fresh' | 'item_changed' | 'task_changed' | 'running' | 'failed' | 'missing'

/** A run that was started for an item of a dataset. */
const resultRun = {
  trajectory_id: text,
  status: runs.columns.status,
  error: orNull(text),
  ended_at: orNull(moment),
  /** Hash of the workflow that it executed. */
  definition: text,
  /** Version of the dataset that it was started for, and hash of the item's data then. */
  seq: int,
  hash: text,
  /** Trajectory id of its batch or evaluation. */
  batch_id: text,
}
type ResultRun = Row<typeof resultRun>
const runMembers = Object.keys(resultRun) as (keyof ResultRun)[]

/** An item of a dataset with the run that counts for it. */
export interface ItemResultRow extends ItemRow {
  state: ResultState
  run: ResultRun | null
}

/** The columns of the run are null together. */
const storedResult = {
  ...datasetItems.columns,
  ...(Object.fromEntries(runMembers.map((name) => [`run_${name}`, resultRun[name]])) as {
    [Name in keyof ResultRun as `run_${Name}`]: Column<ResultRun[Name] | null>
  }),
  state: textOf<ResultState>(),
}

interface ResultsAt extends ItemsAt {
  taskId: number
  /** Hash of the task's workflow now. */
  definition: string
}

const isSame = 'r.hash = i.hash and r.definition = $6'

/** Runs of an item that are looked at, newest first. Without the limit the planner may read a whole batch for each item. */
const mostRunsOfItem = 100

/**
 * Without statistics, as after a large batch, the planner reads all runs for each item instead of looking one up: 10,000
 * items took longer than 30 s. A limit leaves it no other way than the index.
 */
const oneLookup = 'limit 1'

/** Items of a version with the run that counts for each: the newest with a result for the same content and workflow. */
const results = `select ${datasetItems.of('i')},
    ${runMembers.map((name) => `r.${name} as run_${name}`).join(', ')},
    case when r.trajectory_id is null then 'missing'
      when ${isSame} then case when r.status = 'completed' then 'fresh' when r.ended_at is null then 'running' else 'failed' end
      when r.hash <> i.hash then 'item_changed' else 'task_changed' end as state
  from dataset_items i
  left join lateral (
    select c.trajectory_id, c.status, left(c.error, 1000) as error, c.ended_at, c.definition, b.seq,
      d.hash, p.trajectory_id as batch_id
    from (
      select * from dataset_runs n where n.dataset_id = i.dataset_id and n.item_id = i.item_id and n.task_id = $5
      order by n.number desc limit ${mostRunsOfItem}) d
    cross join lateral (select seq from dataset_batches where run_id = d.run_id ${oneLookup}) b
    cross join lateral (
      select * from runs where parent_id = d.run_id and parent_seq = 0 and child_index = d.child_index ${oneLookup}) c
    cross join lateral (select trajectory_id from runs where id = d.run_id ${oneLookup}) p
    where (c.status = 'completed' or (d.hash = i.hash and c.definition = $6))
    order by d.hash = i.hash and c.definition = $6 and c.status = 'completed' desc,
      d.hash = i.hash and c.definition = $6 and c.ended_at is null desc, c.status = 'completed' desc, d.number desc
    limit 1) r on true
  where i.dataset_id = $1 and i.from_seq <= $2 and (i.to_seq is null or i.to_seq > $2) and i.bucket >= $3 and i.bucket < $4`

const values = ({ datasetId, seq, buckets, taskId, definition }: ResultsAt) => [
  ...[datasetId, seq, buckets?.[0] ?? 0, buckets?.[1] ?? 32_767, taskId, definition],
]

const listStored = queryPage(
  'list_item_results',
  storedResult,
  `select * from (${results} and i.position > $7) found where $9::text[] is null or state = any($9)
         order by position limit $8::int + 1`,
  { limit: '$8' },
  (at: ResultsAt, page: { after: number; limit: number; states: readonly ResultState[] | undefined }) => [
    ...[...values(at), page.after, page.limit, page.states ?? null],
  ],
)

/** Lists items with their results after a position, in order; only those in some states if any are given. */
export const listItemResults = async (...given: Parameters<typeof listStored>): Promise<ItemPage<ItemResultRow>> => {
  const { rows, hasMore } = await listStored(...given)
  return { rows: rows.map(resultOf), hasMore }
}

/** Reads all items whose results are in some states, a page at a time. */
export async function* eachItemResult(
  queries: Queries,
  at: ResultsAt,
  states: readonly ResultState[],
): AsyncGenerator<ItemResultRow> {
  for (let after = 0; ; ) {
    const { rows, hasMore } = await listItemResults(queries, at, { after, limit: 500, states })
    yield* rows
    if (!hasMore) return
    after = rows.at(-1)?.position ?? after
  }
}

/** Gathers the columns of the run. */
const resultOf = ({ run_trajectory_id: id, ...row }: Row<typeof storedResult>): ItemResultRow => ({
  ...row,
  run:
    id === null
      ? null
      : ({
          trajectory_id: id,
          ...Object.fromEntries(
            runMembers.slice(1).map((name) => [name, (row as Row<typeof storedResult>)[`run_${name}`]]),
          ),
        } as ResultRun),
})

const countByState = query(
  'count_item_results',
  { state: textOf<ResultState>(), total: int },
  `select state, count(*)::int as total from (${results}) found group by state`,
  values,
)

/** Counts the items of a version or split by the state of their results. */
export const countItemResults = async (
  queries: Queries,
  at: ResultsAt,
): Promise<Partial<Record<ResultState, number>>> => {
  const rows = await countByState(queries, at)
  return Object.fromEntries(rows.map(({ state, total }) => [state, total]))
}

/** Lists the items that a batch or evaluation has run to completion, with their content then and their workflow. */
export const ranItems = query(
  'ran_dataset_items',
  { child_index: int, item_id: text, hash: text, definition: text },
  `select d.child_index, d.item_id, d.hash, r.definition from dataset_runs d
     join runs r on r.parent_id = d.run_id and r.parent_seq = 0 and r.child_index = d.child_index
     where d.run_id = $1 and d.dataset_id = $2 and r.status = 'completed'`,
  (at: { runKey: string; datasetId: number }) => [at.runKey, at.datasetId],
)

const itemsOfRuns = query(
  'item_ids_of_runs',
  { child_index: int, item_id: text },
  `select child_index, item_id from dataset_runs where run_id = $1 and child_index >= $2 and child_index < $3`,
  (at: { runKey: string; from: number; before: number }) => [at.runKey, at.from, at.before],
)

/** Reads which items some runs of a batch execute, by index; from one (included) to another (excluded). */
export const itemIdsOfRuns = async (
  queries: Queries,
  at: { runKey: string; from: number; before: number },
): Promise<Map<number, string>> => {
  const rows = await itemsOfRuns(queries, at)
  return new Map(rows.map(({ child_index: index, item_id: id }) => [index, id]))
}

const sweepBatches = query(
  'sweep_dataset_batches',
  { run_id: text },
  `delete from dataset_batches where run_id in (
       select run_id from dataset_batches b where created_at < now() - interval '1 day'
         and not exists (select from runs r where r.id = b.run_id)
       order by created_at limit 100) returning run_id`,
)

/** Deletes notes of batches whose runs are gone for a day, some in each call. Returns their number. */
export const sweepDatasetBatches = async (database: Database): Promise<number> => (await sweepBatches(database)).length
