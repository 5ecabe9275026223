import type { Queries } from '../database/database.ts'
import { bool, query, queryOne, text } from '../database/table.ts'
import { isOnline } from './workers.ts'

/** SQL condition: a worker `w` takes jobs of a collection. */
const takesJobsOf = (collectionId: string): string =>
  `(w.collection_ids is null or ${collectionId} = any(w.collection_ids))`

/** Finds an activity as the newest worker of a collection offers it; those that are online come first. */
export const findOffer = queryOne(
  'find_offer',
  { definition: text, is_online: bool },
  `select d.definition, ${isOnline} as is_online
       from worker_offers o join workers w on w.id = o.worker_id join activity_definitions d on d.hash = o.definition
       where o.name = $1 and ${takesJobsOf('$2::bigint')} order by (${isOnline}) desc, w.number desc limit 1`,
  (activity: string, collectionId: number) => [activity, collectionId],
)

/** Names that a guess is made from. */
const mostNames = 1_000

const namesOffered = query(
  'offered_names',
  { name: text },
  `select distinct o.name from worker_offers o join workers w on w.id = o.worker_id
     where ${takesJobsOf('$1::bigint')} order by o.name limit ${mostNames}`,
  (collectionId: number) => [collectionId],
)

/** Lists the names of activities that workers of a collection offer. */
export const offeredNames = async (queries: Queries, collectionId: number): Promise<string[]> => {
  const rows = await namesOffered(queries, collectionId)
  return rows.map(({ name }) => name)
}
