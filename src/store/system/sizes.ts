import type { Queries } from '../database/database.ts'
import { bigint, catalogName, orNull, query, queryRow, queryValue, type Row } from '../database/table.ts'

const tableSize = {
  name: catalogName,
  /** With indexes and large values. */
  bytes: bigint,
  /** Postgres's estimate; null before the table was first analysed. */
  rows: orNull(bigint),
}

const readBytes = queryValue(
  'database_bytes',
  { bytes: bigint },
  'select pg_database_size(current_database()) as bytes',
)
const readTables = query(
  'table_sizes',
  tableSize,
  `select c.relname as name, pg_total_relation_size(c.oid) as bytes,
     case when c.reltuples < 0 then null else c.reltuples::bigint end as rows
   from pg_class c where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
   order by 2 desc, 1 limit 30`,
)

/** Sizes of the database and its largest tables. It looks at each file of the database, so ask rarely. */
export const databaseSizes = async (queries: Queries): Promise<{ bytes: number; tables: Row<typeof tableSize>[] }> => ({
  bytes: await readBytes(queries),
  tables: await readTables(queries),
})

/** Sizes of all collections together, as their quotas count them. */
export const storedTotals = queryRow(
  'stored_totals',
  { collections: bigint, runs: bigint, fileBytes: bigint },
  `select (select count(*) from collections) as collections, coalesce(sum(greatest(runs, 0)), 0)::bigint as runs,
     coalesce(sum(greatest(file_bytes, 0)), 0)::bigint as "fileBytes" from collection_usage`,
)
