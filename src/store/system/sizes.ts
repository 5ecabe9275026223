import type { Queries } from '../database/database.ts'

interface TableSize {
  name: string
  /** With indexes and large values. */
  bytes: number
  /** Postgres's estimate; null before the table was first analysed. */
  rows: number | null
}

/** Sizes of the database and its largest tables. It looks at each file of the database, so ask rarely. */
export const databaseSizes = async (queries: Queries): Promise<{ bytes: number; tables: TableSize[] }> => {
  const [size] = await queries.rows<{ bytes: number }>(
    'database_bytes',
    'select pg_database_size(current_database()) as bytes',
  )
  const tables = await queries.rows<TableSize>(
    'table_sizes',
    `select c.relname as name, pg_total_relation_size(c.oid) as bytes,
       case when c.reltuples < 0 then null else c.reltuples::bigint end as rows
     from pg_class c where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
     order by 2 desc, 1 limit 30`,
  )
  return { bytes: size?.bytes ?? 0, tables }
}

interface StoredTotals {
  collections: number
  runs: number
  fileBytes: number
}

/** Sizes of all collections together, as their quotas count them. */
export const storedTotals = async (queries: Queries): Promise<StoredTotals> => {
  const [totals] = await queries.rows<StoredTotals>(
    'stored_totals',
    `select (select count(*) from collections) as collections, coalesce(sum(greatest(runs, 0)), 0)::bigint as runs,
       coalesce(sum(greatest(file_bytes, 0)), 0)::bigint as "fileBytes" from collection_usage`,
  )
  return totals ?? { collections: 0, runs: 0, fileBytes: 0 }
}
