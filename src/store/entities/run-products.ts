import type { EntityKind } from '../../model/data/entity.ts'
import type { Queries } from '../database/database.ts'

/** Records that a run registered a version of an entity. The same again has no effect. */
export const noteRunProduct = async (
  queries: Queries,
  product: { runKey: string; entityId: number; seq: number; step: string },
): Promise<void> => {
  await queries.rows(
    'note_run_product',
    'insert into run_products (run_id, entity_id, seq, step) values ($1, $2, $3, $4) on conflict do nothing',
    [product.runKey, product.entityId, product.seq, product.step],
  )
}

/** A version of a dataset or model that a run registered. */
export interface RunProduct {
  run_id: string
  entity_id: number
  kind: EntityKind
  name: string
  collection_id: number
  collection: string
  is_private: boolean
  /** Version that the run registered. */
  seq: number
  /** The newest version. */
  version: number
}

const columns = `p.run_id, p.entity_id, e.kind, e.name, e.collection_id, c.name as collection, e.is_private, p.seq, e.version`
const join = 'run_products p join entities e on e.id = p.entity_id join collections c on c.id = e.collection_id'

/** Lists what runs registered. */
export const productsOfRuns = (queries: Queries, runKeys: string[], limit: number): Promise<RunProduct[]> =>
  queries.rows<RunProduct>(
    'products_of_runs',
    `select ${columns} from ${join} where p.run_id = any($1) order by p.run_id, p.entity_id, p.seq limit $2`,
    [runKeys, limit],
  )

/** Rows of an entity that are looked at, newest first: a run each time, for years, must not make a look slow. */
const mostLookedAt = 10_000

/** Lists the runs of a collection that registered versions of an entity, newest first, by their trajectory ids. */
export const runsThatMade = async (
  queries: Queries,
  at: { entityId: number; collectionId: number; limit: number },
): Promise<string[]> => {
  const rows = await queries.rows<{ trajectory_id: string }>(
    'runs_that_made',
    `select r.trajectory_id from (
       select run_id, max(created_at) as made_at from (
         select run_id, created_at from run_products where entity_id = $1
         order by created_at desc, run_id limit ${mostLookedAt}) newest
       group by run_id order by made_at desc) p
     cross join lateral (select trajectory_id, collection_id from runs where id = p.run_id limit 1) r
     where r.collection_id = $2 order by p.made_at desc limit $3`,
    [at.entityId, at.collectionId, at.limit],
  )
  return rows.map((row) => row.trajectory_id)
}
