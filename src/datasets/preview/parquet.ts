import { type ColumnChunk, type FileMetaData, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet'
import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js'
import { compressors } from 'hyparquet-compressors'
import { type Preview, PreviewFailed, type PreviewLimits, type PreviewSource } from './preview.ts'
import { makeTable } from './table.ts'

const maxFooterBytes = 16 * 1024 * 1024
const headerBytes = 512
/** Header of a page with its smallest and largest text, of up to 4 KiB each, which pyarrow writes twice. */
const longHeaderBytes = 64 * 1024

export const invalidParquet = (source: PreviewSource, why: string) =>
  new PreviewFailed('invalid', `${source.name} is not a valid parquet file: ${why}`)

/** Reads the footer of a parquet file. A length that lies leads outside of the file, or to more than a footer can be. */
export const readFooter = async (source: PreviewSource): Promise<FileMetaData> => {
  if (source.size < 12) throw invalidParquet(source, 'it is too short')
  const end = Buffer.from(await source.read(source.size - 8, source.size))
  if (end.toString('latin1', 4) !== 'PAR1') throw invalidParquet(source, 'it does not end with PAR1')
  const length = end.readUInt32LE(0)
  if (length > source.size - 12)
    throw invalidParquet(source, `its footer of ${length} bytes would be longer than the file`)
  if (length > maxFooterBytes) throw new PreviewFailed('too_large', `The footer of ${source.name} has ${length} bytes`)
  try {
    return await parquetMetadataAsync(parquetBuffer(source), { initialFetchSize: length + 8 })
  } catch (error) {
    throw invalidParquet(source, error instanceof Error ? error.message : 'its footer cannot be read')
  }
}

/** A file as hyparquet reads it. */
export const parquetBuffer = (source: PreviewSource) => ({
  byteLength: source.size,
  slice: async (start: number, end = source.size): Promise<ArrayBuffer> => {
    const bytes = await source.read(start < 0 ? source.size + start : start, end)
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  },
})

interface PageSizes {
  header: number
  unpacked: number
  packed: number
}

/** Reads the size of the header of a page, and of the page before and after it is unpacked. */
const readPage = async (source: PreviewSource, offset: number, bytesAtOnce = headerBytes): Promise<PageSizes> => {
  const bytes = await source.read(offset, Math.min(source.size, offset + bytesAtOnce))
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 }
  try {
    const header = deserializeTCompactProtocol(reader)
    return { header: reader.offset, unpacked: Number(header.field_2), packed: Number(header.field_3) }
  } catch (error) {
    if (bytesAtOnce >= longHeaderBytes) throw error
    return readPage(source, offset, longHeaderBytes)
  }
}

/** Cuts a column chunk after its first data page, and returns how much that page unpacks to. */
const cutToFirstPage = async (source: PreviewSource, { meta_data: meta }: ColumnChunk): Promise<number> => {
  if (!meta) throw invalidParquet(source, 'a column chunk has no description')
  const data = Number(meta.data_page_offset)
  const start = Number(meta.dictionary_page_offset ?? 0n) || data
  const dictionary = start < data ? await readPage(source, start) : undefined
  const page = await readPage(source, data)
  const packed = data - start + page.header + page.packed
  const isSound = start >= 0 && page.packed >= 0 && page.unpacked >= 0 && start + packed <= source.size
  if (!isSound)
    throw invalidParquet(source, `the pages of column ${meta.path_in_schema.join('.')} lie outside of the file`)
  meta.total_compressed_size = BigInt(Math.min(packed, Number(meta.total_compressed_size)))
  return page.unpacked + Math.max(0, dictionary?.unpacked ?? 0) + packed
}

/** Shows the first rows of a parquet file: of each column only its first page is read. */
export const previewParquet = async (source: PreviewSource, limits: PreviewLimits): Promise<Preview> => {
  try {
    return await showParquet(source, limits)
  } catch (error) {
    if (error instanceof PreviewFailed) throw error
    throw invalidParquet(source, error instanceof Error ? error.message : 'its pages cannot be read')
  }
}

const showParquet = async (source: PreviewSource, limits: PreviewLimits): Promise<Preview> => {
  const metadata = await readFooter(source)
  const names = parquetSchema(metadata).children.map(({ element }) => element.name)
  const rowCount = Number(metadata.num_rows)
  const [group] = metadata.row_groups
  if (!group || rowCount === 0) return makeTable('parquet', names, [], limits, { rowCount })
  const skipped = new Set<string>()
  let left = limits.unpackedBytes
  for (const column of group.columns) {
    const [name = ''] = column.meta_data?.path_in_schema ?? []
    if (names.indexOf(name) >= limits.columns || skipped.has(name)) continue
    const unpacked = await cutToFirstPage(source, column)
    if (unpacked > left) skipped.add(name)
    else left -= unpacked
  }
  const shown = names.slice(0, limits.columns).filter((name) => !skipped.has(name))
  const rowEnd = Math.min(limits.rows, Number(group.num_rows))
  const first = { ...metadata, row_groups: [group], num_rows: group.num_rows }
  const reading = { file: parquetBuffer(source), metadata: first, rowStart: 0, compressors }
  const rows = shown.length === 0 ? [] : await parquetReadObjects({ ...reading, columns: shown, rowEnd })
  const cells = rows.map((row) => names.map((name) => row[name] ?? null))
  return makeTable('parquet', names, cells, limits, { rowCount, truncated: rowCount > rows.length, skipped })
}
