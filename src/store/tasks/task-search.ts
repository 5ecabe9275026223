import type { Database } from '../../database/database.ts'
import { type TaskRow, taskColumns, taskJoins } from './tasks.ts'

/** A text as a pattern of LIKE that fits wherever the text occurs: `%`, `_` and `\` in it stand for themselves. */
const containing = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`

/**
 * The tasks in which a text occurs, whatever its case: those with it in their name first, then description, then
 * workflow, then the name of their collection; `found` counts all of them. Undefined searches all collections. Any
 * part of any text may be asked for, so that each one is read: there is no index for that.
 */
export const searchTasks = async (
  database: Database,
  collectionIds: readonly number[] | undefined,
  wanted: { text: string; limit: number },
): Promise<{ found: number; tasks: TaskRow[] }> => {
  const where = collectionIds ? 't.collection_id = any($4)' : 'true'
  const rows = await database.rows<TaskRow & { found: number }>(
    collectionIds ? 'search_tasks_of' : 'search_tasks',
    `with ranked as materialized (
       select t.id, case
         when t.name ilike $1 or ($2 and c.name || '/' || t.name ilike $1) then 0
         when t.description ilike $1 then 1
         when d.workflow ilike $1 then 2
         when c.name ilike $1 then 3
       end as rank
       from tasks t ${taskJoins} where ${where}
     ), hits as (select id, rank from ranked where rank is not null order by rank, id limit $3)
     select ${taskColumns}, (select count(*) from ranked where rank is not null) as found
     from hits h join tasks t on t.id = h.id ${taskJoins} order by h.rank, h.id`,
    [
      containing(wanted.text),
      wanted.text.includes('/'), // no name has one: what is asked for is a full name, or a part of one
      wanted.limit,
      ...(collectionIds ? [collectionIds] : []),
    ],
  )
  return { found: rows[0]?.found ?? 0, tasks: rows.map(({ found: _, ...task }) => task) }
}
