import type { Queries } from '../database/database.ts'
import { bigint, type Columns, query, type Row } from '../database/table.ts'

/** A page of rows, which ends at its limit, or earlier where the data in it are large. */
export interface ItemPage<Row> {
  rows: Row[]
  hasMore: boolean
}

/** A page with larger data has one row. The database sends no more: items may have megabytes each. */
const pageBytes = 8 * 1024 * 1024

/**
 * Declares the statement of a page from one that has a row more than the limit. `size` is an SQL expression for the bytes of
 * a row, and `order` for the place of a row in the list.
 */
export const queryPage = <const Of extends Columns, Arguments extends unknown[]>(
  name: string,
  row: Of,
  text: string,
  { limit, size = 'octet_length(data)', order = 'position' }: { limit: string; size?: string; order?: string },
  values: (...args: Arguments) => unknown[],
): ((queries: Queries, ...args: Arguments) => Promise<ItemPage<Row<Of>>>) => {
  const read = query(
    name,
    { ...row, page_rows: bigint, page_row: bigint, bytes_before: bigint },
    `select * from (
     select page.*, count(*) over () as page_rows, row_number() over (order by ${order}) as page_row,
       sum(${size}) over (order by ${order}) - (${size}) as bytes_before
     from (${text}) page) cut
   where page_row <= ${limit} and bytes_before < ${pageBytes} order by page_row`,
    values,
  )
  return async (queries, ...args) => {
    const rows = (await read(queries, ...args)) as (Row<Of> & { page_rows: number })[]
    return { rows, hasMore: (rows[0]?.page_rows ?? 0) > rows.length }
  }
}
