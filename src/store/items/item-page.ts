/** A page of rows, which ends at its limit, or earlier where the data in it are large. */
export interface ItemPage<Row> {
  rows: Row[]
  hasMore: boolean
}

/** A page with larger data has one row. The database sends no more: items may have megabytes each. */
const pageBytes = 8 * 1024 * 1024

/**
 * Builds the query of a page from one that has a row more than the limit. `size` is an SQL expression for the bytes of a
 * row, and `order` for the place of a row in the list.
 */
export const pageQuery = (query: string, { limit, size, order }: { limit: string; size: string; order: string }) =>
  `select * from (
     select page.*, count(*) over () as page_rows, row_number() over (order by ${order}) as page_row,
       sum(${size}) over (order by ${order}) - (${size}) as bytes_before
     from (${query}) page) cut
   where page_row <= ${limit} and bytes_before < ${pageBytes} order by page_row`

/** Reads the rows of a page query. */
export const itemPageOf = <Row extends object>(found: (Row & { page_rows?: number })[]): ItemPage<Row> => ({
  rows: found,
  hasMore: (found[0]?.page_rows ?? 0) > found.length,
})
