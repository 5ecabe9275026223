import type { Queries } from './database/database.ts'

/** A saved view of the list of runs. */
export interface ViewRow {
  name: string
  task: string | null
  query: string
  /** JSON list of names. */
  columns: string
  author: string
  created_at: Date
  updated_at: Date
}

const columns = 'name, task, query, columns, author, created_at, updated_at'

/** Lists the views of a collection by name; a collection has a bounded number of them. */
export const listViews = (queries: Queries, collectionId: number): Promise<ViewRow[]> =>
  queries.rows<ViewRow>('list_views', `select ${columns} from views where collection_id = $1 order by lower(name)`, [
    collectionId,
  ])

export const findView = async (queries: Queries, collectionId: number, name: string): Promise<ViewRow | undefined> =>
  (
    await queries.rows<ViewRow>(
      'find_view',
      `select ${columns} from views where collection_id = $1 and lower(name) = lower($2)`,
      [collectionId, name],
    )
  )[0]

/** Saves a view under its name; undefined when the collection is gone or has `most` views. */
export const saveView = async (
  queries: Queries,
  collectionId: number,
  view: Pick<ViewRow, 'name' | 'task' | 'query' | 'columns' | 'author'>,
  most: number,
): Promise<ViewRow | undefined> =>
  (
    await queries.rows<ViewRow>(
      'save_view',
      `insert into views as v (collection_id, name, task, query, columns, author)
       select c.id, $2, $3, $4, $5, $6 from collections c
       where c.id = $1 and ((select count(*) from views where collection_id = $1) < $7
         or exists (select from views where collection_id = $1 and lower(name) = lower($2)))
       on conflict (collection_id, lower(name)) do update
         set name = excluded.name, task = excluded.task, query = excluded.query, columns = excluded.columns,
           author = excluded.author, updated_at = now()
       returning ${columns}`,
      [collectionId, view.name, view.task, view.query, view.columns, view.author, most],
    )
  )[0]

/** Deletes a view; false when there was none. */
export const deleteView = async (queries: Queries, collectionId: number, name: string): Promise<boolean> =>
  (
    await queries.rows(
      'delete_view',
      'delete from views where collection_id = $1 and lower(name) = lower($2) returning name',
      [collectionId, name],
    )
  ).length > 0
