import { parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { invalidParquet, parquetBuffer, readFooter } from './parquet.ts'
import { PreviewFailed, type PreviewSource } from './preview.ts'
import { toScalar } from './table.ts'

/** What reading all rows of a file may take. */
export interface LinesLimits {
  /** Bytes that a row group may unpack to. */
  unpackedBytes: number
  /** Characters of all lines. */
  characters: number
}

/** Turns a value into JSON: bytes become base64, large integers texts. */
const toJson = (value: unknown): unknown => {
  const scalar = toScalar(value)
  if (scalar !== undefined) return scalar
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value as ArrayLike<unknown>, toJson)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, toJson(one)]))
}

/** A row as a line. Columns without a value are left out, as empty cells of CSV are. */
const lineOf = (row: Record<string, unknown>): string => {
  const members = Object.entries(row).filter(([, value]) => value !== null && value !== undefined)
  return `${JSON.stringify(Object.fromEntries(members.map(([key, value]) => [key, toJson(value)])))}\n`
}

/** Reads all rows of a parquet file as JSON lines, a row group at a time. */
export async function* parquetLines(source: PreviewSource, limits: LinesLimits): AsyncGenerator<string> {
  const metadata = await readFooter(source)
  let characters = 0
  for (const group of metadata.row_groups) {
    const bytes = group.columns.reduce((sum, { meta_data }) => sum + Number(meta_data?.total_uncompressed_size ?? 0), 0)
    if (bytes > limits.unpackedBytes) {
      const message = `A row group of ${source.name} unpacks to ${bytes} bytes, more than ${limits.unpackedBytes}; write it with smaller row groups`
      throw new PreviewFailed('too_large', message)
    }
    const one = { ...metadata, row_groups: [group], num_rows: group.num_rows }
    const reading = { file: parquetBuffer(source), metadata: one, rowStart: 0, rowEnd: Number(group.num_rows) }
    const rows = await parquetReadObjects({ ...reading, compressors }).catch((error: unknown) => {
      if (error instanceof PreviewFailed) throw error
      throw invalidParquet(source, error instanceof Error ? error.message : 'its pages cannot be read')
    })
    const text = rows.map(lineOf).join('')
    characters += text.length
    if (characters > limits.characters) {
      throw new PreviewFailed(
        'too_large',
        `The rows of ${source.name} are more than ${limits.characters} bytes of JSON`,
      )
    }
    yield text
  }
}
