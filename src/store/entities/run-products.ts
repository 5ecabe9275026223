import type { Queries } from '../database/database.ts'
import { bigint, change, int, pick, query, type Row, text } from '../database/table.ts'
import { entities } from './entities.ts'

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

const columns = `p.run_id, p.entity_id, e.kind, e.name, e.collection_id, c.name as collection, e.is_private, p.seq, e.version`
const join = 'run_products p join entities e on e.id = p.entity_id join collections c on c.id = e.collection_id'

/** Lists what runs registered. */
export const productsOfRuns = query(
  'products_of_runs',
  runProduct,
  `select ${columns} from ${join} where p.run_id = any($1) order by p.run_id, p.entity_id, p.seq limit $2`,
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
