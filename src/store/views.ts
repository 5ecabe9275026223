import { change, moment, namesOf, orNull, query, queryOne, type Row, text, valuesOf } from './database/table.ts'

/** A saved view of the list of runs. */
const view = {
  name: text,
  task: orNull(text),
  query: text,
  /** JSON list of names. */
  columns: text,
  author: text,
  created_at: moment,
  updated_at: moment,
}
export type ViewRow = Row<typeof view>

const columns = namesOf(view)
const settable = ['name', 'task', 'query', 'columns', 'author'] as const

/** Lists the views of a collection by name; a collection has a bounded number of them. */
export const listViews = query(
  'list_views',
  view,
  `select ${columns} from views where collection_id = $1 order by lower(name)`,
  (collectionId: number) => [collectionId],
)

export const findView = queryOne(
  'find_view',
  view,
  `select ${columns} from views where collection_id = $1 and lower(name) = lower($2)`,
  (collectionId: number, name: string) => [collectionId, name],
)

/** Saves a view under its name; undefined when the collection is gone or has `most` views. */
export const saveView = queryOne(
  'save_view',
  view,
  `insert into views as v (collection_id, ${settable.join(', ')})
   select c.id, $2, $3, $4, $5, $6 from collections c
   where c.id = $1 and ((select count(*) from views where collection_id = $1) < $7
     or exists (select from views where collection_id = $1 and lower(name) = lower($2)))
   on conflict (collection_id, lower(name)) do update
     set name = excluded.name, task = excluded.task, query = excluded.query, columns = excluded.columns,
       author = excluded.author, updated_at = now()
   returning ${columns}`,
  (collectionId: number, saved: Pick<ViewRow, (typeof settable)[number]>, most: number) => [
    ...[collectionId, ...valuesOf(settable, saved), most],
  ],
)

/** Deletes a view; false when there was none. */
export const deleteView = change(
  'delete_view',
  'delete from views where collection_id = $1 and lower(name) = lower($2) returning name',
  (collectionId: number, name: string) => [collectionId, name],
)
