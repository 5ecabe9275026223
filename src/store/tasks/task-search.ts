import type { Database } from '../database/database.ts'
import { bigint, query } from '../database/table.ts'
import { type TaskRow, task, taskColumns, taskJoins } from './tasks.ts'

/** Builds a LIKE pattern that matches a text anywhere, with `%`, `_` and `\` escaped. */
const containing = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`

interface Wanted {
  text: string
  limit: number
}

const search = (name: string, where: string) =>
  query(
    name,
    { ...task, found: bigint },
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
    ({ text, limit }: Wanted, collectionIds?: readonly number[]) => [
      containing(text),
      text.includes('/'), // names contain no slash: the text is a full name or a part of one
      limit,
      ...(collectionIds ? [collectionIds] : []),
    ],
    (rows): { found: number; tasks: TaskRow[] } => ({
      found: rows[0]?.found ?? 0,
      tasks: rows.map(({ found: _, ...task }) => task),
    }),
  )
const searchAll = search('search_tasks', 'true')
const searchOf = search('search_tasks_of', 't.collection_id = any($4)')

/**
 * Searches tasks for a text (case-insensitive): matches in the name first, then description, workflow, and collection
 * name; `found` counts all. Undefined searches all collections. Any substring may match, so every task is read: no
 * index serves that.
 */
export const searchTasks = (database: Database, collectionIds: readonly number[] | undefined, wanted: Wanted) =>
  (collectionIds ? searchOf : searchAll)(database, wanted, collectionIds)
