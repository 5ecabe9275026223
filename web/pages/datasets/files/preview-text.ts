import type { api } from '../../../data/api.ts'

export type DataPreview = Awaited<ReturnType<typeof api.previewDatasetData>>
export type DataColumn = DataPreview['columns'][number]

const shownAsTable = /\.(parquet|(csv|tsv|tab|json|jsonl|ndjson)(\.gz)?|zip|tar\.gz|tgz)$/i

/** Whether the server can show the first rows of a file with this name. */
export const isShownAsTable = (name: string): boolean => shownAsTable.test(name)

const mostCharacters = 200

/** A cell in one line; empty for a value that is missing. */
export const dataCellText = (cell: unknown): string => {
  if (cell === null || cell === undefined) return ''
  const text = typeof cell === 'string' ? cell : JSON.stringify(cell)
  return text.slice(0, mostCharacters).replace(/\s+/g, ' ')
}

/** What the rows shown say about a column: `integer · 2 empty · 4 different · 1 to 9`. */
export const columnText = ({ type, nulls, distinct, min, max }: DataColumn): string => {
  if (type === 'skipped') return 'its first page is too large to be shown'
  const facts = [
    type,
    nulls > 0 ? `${nulls} empty` : '',
    `${distinct} different`,
    min === null || max === null ? '' : `${dataCellText(min)} to ${dataCellText(max)}`,
  ]
  return facts.filter((fact) => fact !== '').join(' · ')
}

const numberText = (count: number): string => count.toLocaleString('en')

/** How much of the file is shown: `The first 100 of 5,000 rows`. */
export const rowsText = ({ rows, row_count: count, truncated }: DataPreview): string => {
  if (count !== null && count > rows.length) return `The first ${numberText(rows.length)} of ${numberText(count)} rows`
  if (truncated) return `The first ${numberText(rows.length)} rows; there are more`
  return rows.length === 1 ? '1 row' : `${numberText(rows.length)} rows`
}
