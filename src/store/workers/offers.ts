import type { Queries } from '../database/database.ts'
import { isOnline } from './workers.ts'

/** SQL condition: a worker `w` takes jobs of a collection. */
const takesJobsOf = (collectionId: string): string =>
  `(w.collection_ids is null or ${collectionId} = any(w.collection_ids))`

/** Finds an activity as the newest worker of a collection offers it; those that are online come first. */
export const findOffer = async (
  queries: Queries,
  activity: string,
  collectionId: number,
): Promise<{ definition: string; is_online: boolean } | undefined> =>
  (
    await queries.rows<{ definition: string; is_online: boolean }>(
      'find_offer',
      `select d.definition, ${isOnline} as is_online
       from worker_offers o join workers w on w.id = o.worker_id join activity_definitions d on d.hash = o.definition
       where o.name = $1 and ${takesJobsOf('$2::bigint')} order by (${isOnline}) desc, w.number desc limit 1`,
      [activity, collectionId],
    )
  )[0]

/** Names that a guess is made from. */
const mostNames = 1_000

/** Lists the names of activities that workers of a collection offer. */
export const offeredNames = async (queries: Queries, collectionId: number): Promise<string[]> => {
  const rows = await queries.rows<{ name: string }>(
    'offered_names',
    `select distinct o.name from worker_offers o join workers w on w.id = o.worker_id
     where ${takesJobsOf('$1::bigint')} order by o.name limit ${mostNames}`,
    [collectionId],
  )
  return rows.map(({ name }) => name)
}
