import type { CallMemory } from '../../http/input/memory.ts'
import type { Queries } from '../../store/database/database.ts'
import { type EntitiesAt, entityPageBytes, listEntities } from '../../store/entities/entities.ts'
import { listedEntityText } from './serialize.ts'

/** The page in memory: as read, each entity as JSON, and the answer. */
const copiesOfPage = 3

/**
 * Lists one page of entities as JSON text. Waits for memory first: metadata may have megabytes each. Throws `too_large`
 * for a page that never fits.
 */
export const entityListText = async (
  queries: Queries,
  memory: CallMemory,
  at: EntitiesAt,
  page: { skip: number; limit: number },
): Promise<string> => {
  await memory.take(copiesOfPage * (await entityPageBytes(queries, at, page)))
  const rows = await listEntities(queries, at, page)
  return `[${rows.map(listedEntityText).join(',')}]`
}
