import type { Queries } from '../database/database.ts'
import { bigint, bool, change, int, listsOf, orNull, pick, query, type Row, text } from '../database/table.ts'
import { entities } from '../entities/entities.ts'
import { runs, versionNumberOf } from '../runs/runs.ts'

/** A run, and the item of a dataset that it was started for, if it was. */
const lineageRun = {
  ...pick(runs.columns, ['id', 'parent_id', 'trajectory_id', 'name', 'status', 'definition', 'ended_at']),
  /** Version of its task; null when it is gone. */
  task_version: orNull(int),
  /** Trajectory id of its batch or evaluation. */
  batch_id: orNull(text),
  dataset_id: orNull(bigint),
  seq: orNull(int),
  item_id: orNull(text),
  hash: orNull(text),
}
export type LineageRun = Row<typeof lineageRun>

const columns = `r.id, r.parent_id, r.trajectory_id, r.name, r.status, r.definition, ${versionNumberOf} as task_version, r.ended_at,
  p.trajectory_id as batch_id, d.dataset_id, b.seq, d.item_id, d.hash`
const joins = `left join dataset_runs d on d.run_id = r.parent_id and d.child_index = r.child_index and r.parent_seq = 0
  left join dataset_batches b on b.run_id = d.run_id left join runs p on p.id = d.run_id`

/** Reads runs of a collection by their trajectory ids. */
export const lineageRuns = query(
  'lineage_runs',
  lineageRun,
  `select ${columns} from runs r ${joins} where r.trajectory_id = any($1) and r.collection_id = $2 order by r.number`,
  (at: { collectionId: number; trajectoryIds: string[] }) => [at.trajectoryIds, at.collectionId],
)

const mostLevels = 20
// Below, each `lateral` with a limit looks rows up by an index: without statistics the planner would read all runs.

/** Lists the runs that started these as children, over several levels. */
export const runsAbove = query(
  'lineage_runs_above',
  lineageRun,
  `with recursive above as (
       select parent_id as id, 1 as level from runs where id = any($1) and parent_id is not null
       union select p.parent_id, level + 1 from above
         cross join lateral (select parent_id, collection_id from runs where id = above.id limit 1) p
         where p.parent_id is not null and p.collection_id = $2 and level < ${mostLevels})
     select ${columns} from (select distinct id from above) a
     cross join lateral (select * from runs where id = a.id limit 1) r ${joins} where r.collection_id = $2`,
  (at: { collectionId: number; runKeys: readonly string[] }) => [at.runKeys, at.collectionId],
)

/** The order is that of the index. */
const children = (parent: string): string =>
  `select id from runs where parent_id = ${parent} order by parent_seq, child_index limit $3`

/** Lists the runs that these started as children, over several levels: those of the first level first. */
export const runsBelow = query(
  'lineage_runs_below',
  lineageRun,
  `with recursive below as (
       select c.id, 1 as level from unnest($1::text[]) given(id) cross join lateral (${children('given.id')}) c
       union all select c.id, level + 1 from below
         cross join lateral (${children('below.id')}) c where level < ${mostLevels})
     select ${columns} from (select id from below limit $3) n
     cross join lateral (select * from runs where id = n.id limit 1) r ${joins}
     where r.collection_id = $2 order by r.number`,
  (at: { collectionId: number; runKeys: readonly string[]; limit: number }) => [at.runKeys, at.collectionId, at.limit],
)

/** Lists the runs of an item of a dataset in a collection, newest first. */
export const runsOfItem = query(
  'runs_of_dataset_item',
  lineageRun,
  `select ${columns} from (
       select * from dataset_runs n where n.dataset_id = $1 and n.item_id = $2 order by n.number desc limit 1000) d
     join dataset_batches b on b.run_id = d.run_id
     join runs r on r.parent_id = d.run_id and r.parent_seq = 0 and r.child_index = d.child_index
     join runs p on p.id = d.run_id
     where r.collection_id = $3 order by d.number desc limit $4`,
  (at: { collectionId: number; datasetId: number; itemId: string; limit: number }) => [
    at.datasetId,
    at.itemId,
    at.collectionId,
    at.limit,
  ],
)

/** A batch or evaluation over a version of a dataset. */
const lineageBatch = {
  batch_id: text,
  task: text,
  status: runs.columns.status,
  seq: int,
  split: orNull(text),
  total: int,
}
export type LineageBatch = Row<typeof lineageBatch>

/** Lists the batches and evaluations of a collection over a dataset, newest first. */
export const batchesOfDataset = query(
  'batches_of_dataset',
  lineageBatch,
  `select p.trajectory_id as batch_id, t.name as task, p.status, b.seq, b.split,
       (select coalesce(max(child_index) + 1, 0) from dataset_runs d where d.run_id = b.run_id)::int as total
     from dataset_batches b join runs p on p.id = b.run_id join tasks t on t.id = b.task_id
     where b.dataset_id = $1 and p.collection_id = $2 order by b.created_at desc limit $3`,
  (at: { collectionId: number; datasetId: number; limit: number }) => [at.datasetId, at.collectionId, at.limit],
)

/** A dataset's item in a chain of runs. */
const lineageItem = {
  dataset_id: bigint,
  item_id: text,
  dataset: text,
  collection_id: bigint,
  collection: text,
  is_private: bool,
  /** Hash of the data now; null when the item was removed. */
  current_hash: orNull(text),
  /** The run that its present content was made from. */
  source_trajectory: orNull(text),
}
export type LineageItem = Row<typeof lineageItem>

const itemColumns = `e.id as dataset_id, w.item_id, e.name as dataset, e.collection_id, c.name as collection, e.is_private,
  i.hash as current_hash, i.source_trajectory`

/** Reads items with their datasets. */
export const lineageItems = query(
  'lineage_items',
  lineageItem,
  `select ${itemColumns} from (select distinct * from unnest($1::bigint[], $2::text[]) w(dataset_id, item_id)) w
     join entities e on e.id = w.dataset_id join collections c on c.id = e.collection_id
     left join dataset_items i on i.dataset_id = w.dataset_id and i.item_id = w.item_id and i.to_seq is null`,
  (wanted: readonly { dataset_id: number; item_id: string }[]) => [...listsOf(['dataset_id', 'item_id'], wanted)],
)

/** Lists the items of a collection's datasets whose present content was made from these runs. */
export const itemsMadeFrom = query(
  'items_made_from',
  lineageItem,
  `select ${itemColumns.replaceAll('w.', 'i.')} from dataset_items i join entities e on e.id = i.dataset_id
     join collections c on c.id = e.collection_id
     where i.source_trajectory = any($1) and i.to_seq is null and e.collection_id = $2
     order by i.dataset_id, i.position limit $3`,
  (at: { collectionId: number; trajectoryIds: string[]; limit: number }) => [
    at.trajectoryIds,
    at.collectionId,
    at.limit,
  ],
)

/** Something that a run has produced: the storage path of a file with its hash, or the key of a label with its value. */
const lineageProduct = { run_id: text, name: text, value: text, author: orNull(text) }
export type LineageProduct = Row<typeof lineageProduct>

/** Lists the files that steps of these runs made, with their hashes. */
export const filesMadeBy = query(
  'lineage_files',
  lineageProduct,
  `select run_id, path as name, coalesce(sha256, '') as value, null as author from files
       where run_id = any($1) order by path limit $2`,
  (runKeys: string[], limit: number) => [runKeys, limit],
)

/** Lists the labels on these runs. */
export const labelsOn = query(
  'lineage_labels',
  lineageProduct,
  'select run_id, key as name, value, author from labels where run_id = any($1) order by key, author limit $2',
  (runKeys: string[], limit: number) => [runKeys, limit],
)

/** Records that a run registered a version of an entity. The same again has no effect. */
export const noteRunProduct = change(
  'note_run_product',
  'insert into run_products (run_id, entity_id, seq, step) values ($1, $2, $3, $4) on conflict do nothing',
  (product: { runKey: string; entityId: number; seq: number; step: string }) => [
    ...[product.runKey, product.entityId, product.seq, product.step],
  ],
)

/** A version of a dataset or model that a run registered. */
const runProduct = {
  run_id: text,
  entity_id: bigint,
  ...pick(entities.columns, ['kind', 'name', 'collection_id', 'is_private']),
  collection: text,
  /** Version that the run registered. */
  seq: int,
  /** The newest version. */
  version: int,
}
export type RunProduct = Row<typeof runProduct>

const productColumns = `p.run_id, p.entity_id, e.kind, e.name, e.collection_id, c.name as collection, e.is_private, p.seq, e.version`
const join = 'run_products p join entities e on e.id = p.entity_id join collections c on c.id = e.collection_id'

/** Lists what runs registered. */
export const productsOfRuns = query(
  'products_of_runs',
  runProduct,
  `select ${productColumns} from ${join} where p.run_id = any($1) order by p.run_id, p.entity_id, p.seq limit $2`,
  (runKeys: string[], limit: number) => [runKeys, limit],
)

/** Rows of an entity that are looked at, newest first: a run each time, for years, must not make a look slow. */
const mostLookedAt = 10_000

const idsThatMade = query(
  'runs_that_made',
  { trajectory_id: text },
  `select r.trajectory_id from (
       select run_id, max(created_at) as made_at from (
         select run_id, created_at from run_products where entity_id = $1
         order by created_at desc, run_id limit ${mostLookedAt}) newest
       group by run_id order by made_at desc) p
     cross join lateral (select trajectory_id, collection_id from runs where id = p.run_id limit 1) r
     where r.collection_id = $2 order by p.made_at desc limit $3`,
  (at: { entityId: number; collectionId: number; limit: number }) => [at.entityId, at.collectionId, at.limit],
)

/** Lists the runs of a collection that registered versions of an entity, newest first, by their trajectory ids. */
export const runsThatMade = async (
  queries: Queries,
  at: { entityId: number; collectionId: number; limit: number },
): Promise<string[]> => {
  const rows = await idsThatMade(queries, at)
  return rows.map((row) => row.trajectory_id)
}
