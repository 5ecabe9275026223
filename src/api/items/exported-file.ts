import { createHash } from 'node:crypto'
import type { Queries } from '../../store/database/database.ts'
import type { ItemsAt } from '../../store/items/items.ts'
import { exportedLines, exportedRecords } from './export.ts'

/** The plain type of the values of a column. */
export type ColumnKind = 'text' | 'integer' | 'number' | 'boolean'

/** The items of a version as the JSON lines file that an export of them is. */
interface ExportedFile {
  bytes: number
  sha256: string
  /** Members of the items whose values are of one plain type. */
  columns: { name: string; type: ColumnKind }[]
}

const kindOf = (value: unknown): ColumnKind | undefined => {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'number'
  if (typeof value === 'boolean') return 'boolean'
  return typeof value === 'string' ? 'text' : undefined
}

/** The type of a column with values of two types; undefined where they have none in common. */
const joined = (one: ColumnKind | undefined, other: ColumnKind | undefined): ColumnKind | undefined => {
  if (one === other) return one
  const both = [one, other]
  return both.includes('integer') && both.includes('number') ? 'number' : undefined
}

/** Collects the kinds of columns by their name; undefined where the values have none in common. */
export const makeKinds = () => {
  const kinds = new Map<string, ColumnKind | undefined>()
  const note = (name: string, value: unknown): void => {
    if (value === null) return
    const kind = kindOf(value)
    kinds.set(name, kinds.has(name) ? joined(kinds.get(name), kind) : kind)
  }
  return { kinds, note }
}

const idColumn = 'id'

/** Describes the export of a version: its size, its hash, and its columns. Reads all items. */
export const describeExport = async (queries: Queries, at: ItemsAt): Promise<ExportedFile> => {
  const hash = createHash('sha256')
  const { kinds, note } = makeKinds()
  let bytes = 0
  const noting = async function* () {
    for await (const record of exportedRecords(queries, at, idColumn)) {
      for (const [name, value] of Object.entries(record)) note(name, value)
      yield record
    }
  }
  for await (const line of exportedLines(noting())) {
    hash.update(line)
    bytes += Buffer.byteLength(line)
  }
  const columns = [...kinds].flatMap(([name, type]) => (type === undefined ? [] : [{ name, type }]))
  return { bytes, sha256: hash.digest('hex'), columns }
}
