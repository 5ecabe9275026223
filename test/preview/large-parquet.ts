import { randomBytes } from 'node:crypto'
import { fileWriter, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer'

const groupRows = 122_880 // as DuckDB writes them
const textBytes = 1_000

/** Texts that do not compress: parts of one long random text. */
const texts = (): string[] => {
  const all = randomBytes(groupRows).toString('base64') + randomBytes(textBytes).toString('base64')
  return Array.from({ length: groupRows }, (_, at) => all.slice(at, at + textBytes))
}

/** Writes a parquet file of at least so many bytes: numbers, texts, lists and one column of long texts. */
export const writeLargeParquet = async (path: string, given: { bytes: number; pageBytes: number }): Promise<void> => {
  const { bytes, pageBytes } = given
  const at = Array.from({ length: groupRows }, (_, row) => row)
  const columnData = [
    { name: 'id', data: at.map(BigInt), type: 'INT64' as const },
    { name: 'name', data: at.map((row) => `name ${row}`), type: 'STRING' as const },
    { name: 'score', data: at.map((row) => row / 7), type: 'DOUBLE' as const },
    { name: 'tags', data: at.map((row) => ({ few: [row % 3, row % 5] })), type: 'JSON' as const },
    { name: 'body', data: texts(), type: 'STRING' as const },
  ]
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema: schemaFromColumnData({ columnData }),
    codec: 'UNCOMPRESSED',
  })
  for (let written = 0; written < bytes; written += groupRows * textBytes) {
    await writer.write({ columnData, rowGroupSize: groupRows, pageSize: pageBytes })
  }
  writer.finish()
}
