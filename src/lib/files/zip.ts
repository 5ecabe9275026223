import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream'
import { crc32, createDeflateRaw } from 'node:zlib'

/** A file of an archive: its bytes are asked for when it is its turn. */
export interface ZipEntry {
  /** Forward slashes, relative. */
  name: string
  modified: Date
  /** How many bytes will come, at most: from 4 GiB on the entry is written in the 64-bit form. */
  size: number
  open(): Promise<Readable>
}

interface Written {
  name: Buffer
  time: number
  wide: boolean
  crc: number
  compressed: number
  size: number
  offset: number
}

const limit32 = 0xffff_ffff
const limit16 = 0xffff
const flags = 0x0808 // sizes follow the data; names are UTF-8
const deflated = 8
const classicVersion = 20
const wideVersion = 45

/** Date and time as DOS wrote them, in UTC; nothing is older than 1980. */
const dosTime = (date: Date): number => {
  const year = Math.max(0, date.getUTCFullYear() - 1980)
  const day = (year << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate()
  const time = (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1)
  return day * 0x10000 + time
}

/** Little-endian numbers one after the other, each with its width in bytes. */
const packed = (...fields: (readonly [width: 2 | 4 | 8, value: number])[]): Buffer => {
  const bytes = Buffer.alloc(fields.reduce((sum, [width]) => sum + width, 0))
  let at = 0
  for (const [width, value] of fields) {
    if (width === 8) bytes.writeBigUInt64LE(BigInt(value), at)
    else bytes.writeUIntLE(value, at, width)
    at += width
  }
  return bytes
}

const localHeader = ({ name, time, wide }: Written): Buffer => {
  const extra = wide ? packed([2, 1], [2, 16], [8, 0], [8, 0]) : Buffer.alloc(0)
  const size = wide ? limit32 : 0
  return Buffer.concat([
    packed(
      ...([
        [4, 0x04034b50],
        [2, wide ? wideVersion : classicVersion],
        [2, flags],
        [2, deflated],
        [4, time],
      ] as const),
      ...([
        [4, 0],
        [4, size],
        [4, size],
        [2, name.length],
        [2, extra.length],
      ] as const),
    ),
    name,
    extra,
  ])
}

const descriptor = ({ crc, compressed, size, wide }: Written): Buffer => {
  const width = wide ? 8 : 4
  return packed([4, 0x08074b50], [4, crc], [width, compressed], [width, size])
}

const directoryEntry = (entry: Written): Buffer => {
  const { name, time, crc, compressed, size, offset } = entry
  const wide = entry.wide || offset >= limit32
  const extra = wide ? packed([2, 1], [2, 24], [8, size], [8, compressed], [8, offset]) : Buffer.alloc(0)
  const shown = (value: number) => (wide ? limit32 : value)
  const version = wide ? wideVersion : classicVersion
  return Buffer.concat([
    packed(
      ...([
        [4, 0x02014b50],
        [2, version],
        [2, version],
        [2, flags],
        [2, deflated],
        [4, time],
        [4, crc],
      ] as const),
      ...([
        [4, shown(compressed)],
        [4, shown(size)],
        [2, name.length],
        [2, extra.length],
      ] as const),
      ...([
        [2, 0],
        [2, 0],
        [2, 0],
        [4, 0],
        [4, shown(offset)],
      ] as const),
    ),
    name,
    extra,
  ])
}

const directoryEnd = (count: number, size: number, offset: number): Buffer => {
  const wide = count >= limit16 || size >= limit32 || offset >= limit32
  const end = packed(
    ...([
      [4, 0x06054b50],
      [2, 0],
      [2, 0],
      [2, wide ? limit16 : count],
      [2, wide ? limit16 : count],
    ] as const),
    ...([
      [4, wide ? limit32 : size],
      [4, wide ? limit32 : offset],
      [2, 0],
    ] as const),
  )
  if (!wide) return end
  const wideEnd = packed(
    ...([
      [4, 0x06064b50],
      [8, 44],
      [2, wideVersion],
      [2, wideVersion],
      [4, 0],
      [4, 0],
    ] as const),
    ...([
      [8, count],
      [8, count],
      [8, size],
      [8, offset],
    ] as const),
  )
  return Buffer.concat([wideEnd, packed([4, 0x07064b50], [4, 0], [8, offset + size], [4, 1]), end])
}

/** A ZIP archive as it is made: one file at a time, nothing of it held in memory. */
export async function* zipArchive(entries: Iterable<ZipEntry>): AsyncGenerator<Buffer> {
  const written: Written[] = []
  let offset = 0
  for (const { name, modified, size, open } of entries) {
    const wide = size >= limit32 - 0x1000_0000 // deflate may make it a little longer
    const entry = { name: Buffer.from(name), time: dosTime(modified), wide, crc: 0, compressed: 0, size: 0, offset }
    written.push(entry)
    const header = localHeader(entry)
    yield header
    const source = await open()
    const deflate = createDeflateRaw({ level: 1 })
    source.on('data', (chunk: Buffer) => {
      entry.crc = crc32(chunk, entry.crc)
      entry.size += chunk.length
    })
    pipeline(source, deflate, () => {}) // an error of either ends the loop below
    for await (const chunk of deflate as AsyncIterable<Buffer>) {
      entry.compressed += chunk.length
      yield chunk
    }
    const tail = descriptor(entry)
    yield tail
    offset += header.length + entry.compressed + tail.length
  }
  const directory = Buffer.concat(written.map(directoryEntry))
  yield directory
  yield directoryEnd(written.length, directory.length, offset)
}
