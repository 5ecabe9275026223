import { parquetMetadata } from 'hyparquet'
import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js'
import { ByteWriter, parquetWriteBuffer } from 'hyparquet-writer'
import { writeMetadata } from 'hyparquet-writer/src/metadata.js'
import { serializeTCompactProtocol } from 'hyparquet-writer/src/thrift.js'

/** A parquet file with one text column whose page header has its smallest and largest text, as pyarrow writes it. */
export const longPageHeaderParquet = (texts: string[]): Buffer => {
  const plain = parquetWriteBuffer({
    columnData: [
      { name: 'text', data: texts, type: 'STRING', encoding: 'PLAIN', offsetIndex: false, statistics: false },
    ],
    codec: 'UNCOMPRESSED',
  })
  const metadata = parquetMetadata(plain)
  const chunk = metadata.row_groups[0]?.columns[0]?.meta_data
  if (!chunk) throw new Error('The file has no column')
  const start = Number(chunk.data_page_offset)
  const reader = { view: new DataView(plain, start), offset: 0 }
  const header = deserializeTCompactProtocol(reader)
  const sorted = [...texts].sort()
  const statistics = { field_1: sorted.at(-1), field_2: sorted[0], field_5: sorted.at(-1), field_6: sorted[0] }
  const page = new Uint8Array(plain, start + reader.offset, Number(header.field_3))
  const writer = new ByteWriter()
  writer.appendUint32(0x31524150)
  serializeTCompactProtocol(writer, { ...header, field_8: { ...header.field_8, field_8: statistics } })
  const size = writer.offset - start + page.length
  writer.appendBytes(page)
  Object.assign(chunk, { total_compressed_size: BigInt(size), total_uncompressed_size: BigInt(size) })
  writeMetadata(writer, metadata)
  writer.appendUint32(0x31524150)
  return Buffer.from(writer.getBuffer())
}
