import type { Preview, PreviewCell, PreviewColumn, PreviewLimits } from './preview.ts'

const maxDepth = 20

/** The JSON value of what is no text, bytes, list or object; undefined for those. Large integers become texts. */
export const toScalar = (value: unknown): string | number | boolean | null | undefined => {
  if (value === null || value === undefined) return null
  if (typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  return undefined
}

/** Turns a value into a cell: texts are cut, and bytes become base64. */
const toCell = (value: unknown, limits: PreviewLimits, depth = 0): PreviewCell => {
  const scalar = toScalar(value)
  if (scalar !== undefined) return scalar
  if (typeof value === 'string') return cut(value, limits)
  if (value instanceof Uint8Array)
    return cut(Buffer.from(value.subarray(0, limits.cellCharacters)).toString('base64'), limits)
  if (typeof value !== 'object' || value === null || depth >= maxDepth) return '…'
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    return Array.from(value as ArrayLike<unknown>)
      .slice(0, limits.rows)
      .map((one) => toCell(one, limits, depth + 1))
  }
  const members = Object.entries(value).slice(0, limits.columns)
  return Object.fromEntries(members.map(([key, one]) => [cut(key, limits), toCell(one, limits, depth + 1)]))
}

const cut = (text: string, { cellCharacters }: PreviewLimits): string =>
  text.length > cellCharacters ? `${text.slice(0, cellCharacters)}…` : text

const typeOfCell = (cell: PreviewCell): PreviewColumn['type'] => {
  if (typeof cell === 'boolean') return 'boolean'
  if (typeof cell === 'number') return Number.isInteger(cell) ? 'integer' : 'number'
  if (Array.isArray(cell)) return 'list'
  if (typeof cell === 'object') return 'object'
  return /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/.test(cell) ? 'datetime' : 'text'
}

const commonType = (cells: readonly PreviewCell[]): PreviewColumn['type'] => {
  const types = new Set(cells.map(typeOfCell))
  if (types.size === 0) return 'empty'
  if (types.size === 2 && types.has('integer') && types.has('number')) return 'number'
  if (types.size === 2 && types.has('text') && types.has('datetime')) return 'text'
  return types.size === 1 ? ([...types][0] ?? 'empty') : 'mixed'
}

const columnOf = (name: string, cells: readonly PreviewCell[], isSkipped: boolean): PreviewColumn => {
  const present = cells.filter((cell) => cell !== null)
  const ordered = present.filter((cell) => typeof cell === 'number' || typeof cell === 'string')
  const isOrdered = ordered.length === present.length && new Set(ordered.map((cell) => typeof cell)).size === 1
  const sorted = isOrdered ? ordered.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)) : []
  return {
    name,
    type: isSkipped ? 'skipped' : commonType(present),
    nulls: cells.length - present.length,
    distinct: new Set(present.map((cell) => JSON.stringify(cell))).size,
    min: sorted[0] ?? null,
    max: sorted.at(-1) ?? null,
  }
}

/** Makes a preview of rows. Columns beyond the limit are left out, rows too; `skipped` columns are only named. */
export const makeTable = (
  format: string,
  names: readonly string[],
  rows: readonly (readonly unknown[])[],
  limits: PreviewLimits,
  more: { rowCount?: number | null; truncated?: boolean; skipped?: ReadonlySet<string> } = {},
): Preview => {
  const shown = names.slice(0, limits.columns)
  const cells = rows.slice(0, limits.rows).map((row) => shown.map((_, index) => toCell(row[index], limits)))
  return {
    format,
    columns: shown.map((name, index) =>
      columnOf(
        name,
        cells.map((row) => row[index] ?? null),
        more.skipped?.has(name) ?? false,
      ),
    ),
    rows: cells,
    row_count: more.rowCount ?? null,
    truncated: (more.truncated ?? false) || rows.length > cells.length || names.length > shown.length,
    members: [],
    member: null,
  }
}

/** Makes a preview of records: an object has its members as columns, anything else is in a column `value`. */
export const makeRecordTable = (
  format: string,
  records: readonly unknown[],
  limits: PreviewLimits,
  more: { rowCount?: number | null; truncated?: boolean } = {},
): Preview => {
  const isRecord = (one: unknown): one is Record<string, unknown> =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
  const names = new Set<string>()
  for (const record of records) {
    for (const name of isRecord(record) ? Object.keys(record) : ['value']) {
      if (names.size <= limits.columns) names.add(name)
    }
  }
  const columns = [...names]
  const rows = records.map((record) =>
    columns.map((name) => {
      if (!isRecord(record)) return name === 'value' ? record : null
      return Object.hasOwn(record, name) ? record[name] : null
    }),
  )
  return makeTable(format, columns, rows, limits, more)
}
