import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { CsvError, parse } from 'csv-parse/sync'
import { type Entry, fromRandomAccessReader, RandomAccessReader, type ZipFile } from 'yauzl'
import { isDeeperThan } from '../../lib/json/json-text.ts'
import { makeByteBlocks, readStart } from '../../lib/memory/byte-blocks.ts'
import { findCsvDelimiter } from '../../lib/text/csv.ts'
import { previewParquet } from './parquet.ts'
import { type Preview, PreviewFailed, type PreviewLimits, type PreviewSource } from './preview.ts'
import { makeRecordTable, makeTable } from './table.ts'

type PreviewMember = (member: PreviewSource) => Promise<Preview>

/** Throws for a name that leads out of its archive. */
const requireInside = (archive: string, name: string): void => {
  const isOutside = name.startsWith('/') || /^[a-z]:/i.test(name) || name.split(/[/\\]/).includes('..')
  if (!isOutside && !name.includes('\0')) return
  throw new PreviewFailed(
    'invalid',
    `${archive} has a member whose name leads out of it: ${JSON.stringify(name.slice(0, 200))}`,
  )
}

/** Whether a member of an archive is of a kind that can be shown. Hidden files of systems are not. */
const isShowable = (name: string, size: number, { unpackedBytes }: PreviewLimits): boolean => {
  if (/(^|\/)(\._|__MACOSX\/|\.)/.test(name)) return false
  return /\.(csv|tsv|tab|json|jsonl|ndjson)$/i.test(name) || (/\.parquet$/i.test(name) && size <= unpackedBytes)
}

/** How much of a member is unpacked: a parquet file as a whole, of a text what is looked at. */
const bytesToUnpack = (name: string, size: number, limits: PreviewLimits): number =>
  /\.parquet$/i.test(name) || (/\.json$/i.test(name) && size <= 8 * 1024 * 1024)
    ? Math.min(size, limits.unpackedBytes)
    : Math.min(size, limits.sampleBytes)

/** A source over the beginning of a member. */
const memorySource = (name: string, size: number, bytes: Uint8Array): PreviewSource => ({
  name,
  size,
  read: async (start, end) => bytes.subarray(Math.max(0, start), Math.max(0, end)),
})

/** The preview of an archive: that of a member, or of none. */
const archivePreview = (
  format: string,
  members: { name: string; size: number }[],
  shown: { name: string; preview: Preview } | undefined,
  truncated: boolean,
): Preview => {
  if (!shown) {
    return { format, columns: [], rows: [], row_count: null, truncated, members, member: null }
  }
  return { ...shown.preview, format, members, member: shown.name, truncated: truncated || shown.preview.truncated }
}

const blockBytes = 512
const tarBombRatio = 100
const bombFromBytes = 8 * 1024 * 1024
const tarChunkBytes = 64 * 1024

/** The unpacked beginning of a gzip file. */
interface Unpacked {
  bytes: Buffer
  isWhole: boolean
}

/** Unpacks the beginning of a gzip file. Throws for one that unpacks to very much more than it has. */
const gunzipStart = async (source: PreviewSource, most: number): Promise<Unpacked> => {
  let packed = 0
  const chunks = (async function* () {
    for (let at = 0; at < source.size; at += tarChunkBytes) {
      const chunk = await source.read(at, Math.min(source.size, at + tarChunkBytes))
      packed += chunk.length
      yield chunk
    }
  })()
  const unpacked = Readable.from(chunks).pipe(createGunzip({ chunkSize: tarChunkBytes }))
  const bytes = makeByteBlocks()
  try {
    for await (const part of unpacked as AsyncIterable<Buffer>) {
      bytes.add(part)
      const { size } = bytes
      if (size > bombFromBytes && size > tarBombRatio * packed) {
        const message = `${source.name} unpacks ${packed} bytes to more than ${size}, over ${tarBombRatio} times as many`
        throw new PreviewFailed('too_large', message)
      }
      if (size >= most) return { bytes: bytes.take().subarray(0, most), isWhole: false }
    }
  } catch (error) {
    if (error instanceof PreviewFailed) throw error
    throw new PreviewFailed(
      'invalid',
      `${source.name} is not valid gzip: ${error instanceof Error ? error.message : ''}`,
    )
  }
  return { bytes: bytes.take(), isWhole: true }
}

const textAt = (block: Buffer, start: number, length: number): string =>
  block.toString('utf8', start, start + length).replace(/\0.*$/s, '')

/** Whether a block is the header of a tar member: its checksum counts the checksum itself as spaces. */
const isHeader = (block: Buffer): boolean => {
  if (block.length < blockBytes) return false
  let sum = 8 * 32
  for (const [index, byte] of block.entries()) if (index < 148 || index >= 156) sum += byte
  return Number.parseInt(textAt(block, 148, 8).trim(), 8) === sum
}

interface TarMember {
  name: string
  size: number
  start: number
}

/** Lists the files of the beginning of a tar. Long names and other extensions are read as far as they name files. */
const listTar = (source: PreviewSource, bytes: Buffer, most: number): TarMember[] => {
  const members: TarMember[] = []
  let longName: string | undefined
  for (let at = 0; at + blockBytes <= bytes.length && members.length < most; ) {
    const block = bytes.subarray(at, at + blockBytes)
    if (block.every((byte) => byte === 0)) break
    if (!isHeader(block)) throw new PreviewFailed('invalid', `${source.name} has a damaged tar header at byte ${at}`)
    const size =
      block[124] === 0x80 ? Number(block.readBigUInt64BE(128)) : Number.parseInt(textAt(block, 124, 12), 8) || 0
    if (!Number.isSafeInteger(size)) throw new PreviewFailed('invalid', `${source.name} has a member of ${size} bytes`)
    const start = at + blockBytes
    const type = String.fromCharCode(block[156] ?? 48)
    const prefix = textAt(block, 345, 155)
    const name = longName ?? (prefix ? `${prefix}/${textAt(block, 0, 100)}` : textAt(block, 0, 100))
    longName = undefined
    if (type === 'L') longName = textAt(bytes, start, Math.min(size, 4096))
    else if (type === 'x') longName = /\d+ path=([^\n]+)\n/.exec(textAt(bytes, start, Math.min(size, 8192)))?.[1]
    else if (type === '0' || type === '\0') {
      requireInside(source.name, name)
      members.push({ name, size, start })
    }
    at = start + Math.ceil(size / blockBytes) * blockBytes
  }
  return members
}

/** Shows the members of a tar.gz, and the rows of the first that can be shown; or a text that is only compressed. */
const previewGzip = async (
  source: PreviewSource,
  limits: PreviewLimits,
  previewMember: PreviewMember,
): Promise<Preview> => {
  const { bytes, isWhole } = await gunzipStart(source, limits.unpackedBytes)
  if (!isHeader(bytes.subarray(0, blockBytes))) {
    const size = isWhole ? bytes.length : bytes.length + 1
    return previewMember(memorySource(source.name.replace(/\.gz$/i, ''), size, bytes))
  }
  const members = listTar(source, bytes, limits.members)
  const listed = members.map(({ name, size }) => ({ name, size }))
  const member = members.find(({ name, size }) => isShowable(name, size, limits))
  if (!member) return archivePreview('tar.gz', listed, undefined, !isWhole)
  const { name, size, start } = member
  const content = bytes.subarray(start, start + bytesToUnpack(name, size, limits))
  const preview = await previewMember(memorySource(name, size, content))
  return archivePreview('tar.gz', listed, { name, preview }, !isWhole)
}

const maxJsonDepth = 100
const wholeJsonBytes = 8 * 1024 * 1024

/** Reads the first bytes of a text. `isWhole` tells whether that is all of it. */
const readSample = async (source: PreviewSource, bytes: number): Promise<{ text: string; isWhole: boolean }> => {
  const sample = await source.read(0, Math.min(source.size, bytes))
  if (sample.includes(0)) throw new PreviewFailed('invalid', `${source.name} is not text: it contains NUL bytes`)
  return { text: new TextDecoder('utf-8').decode(sample), isWhole: sample.length >= source.size }
}

const hasHeader = (rows: readonly string[][]): boolean => {
  const [first = []] = rows
  return new Set(first).size === first.length && first.every((cell) => cell !== '' && Number.isNaN(Number(cell)))
}

/** Gives texts of numbers and truth values their type; an empty text is no value. */
const typedText = (text: string): unknown => {
  if (text === '') return null
  if (/^-?(0|[1-9]\d{0,14})(\.\d+)?([eE][+-]?\d{1,3})?$/.test(text)) return Number(text)
  return text === 'true' || text === 'false' ? text === 'true' : text
}

/** Shows a CSV or TSV file: the delimiter and whether there is a header are guessed. */
const previewDelimited = async (
  source: PreviewSource,
  limits: PreviewLimits,
  format: 'csv' | 'tsv',
): Promise<Preview> => {
  const { text, isWhole } = await readSample(source, limits.sampleBytes)
  const end = isWhole ? text.length : text.lastIndexOf('\n')
  if (end < 0) throw endlessLine(source, limits)
  const options = {
    delimiter:
      format === 'tsv' ? '\t' : findCsvDelimiter(text.slice(0, 64 * 1024), isWhole && text.length <= 64 * 1024),
    to: limits.rows + 2,
    bom: true,
  }
  let rows: string[][]
  try {
    rows = parse(text.slice(0, end), {
      ...options,
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
    })
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw new PreviewFailed('invalid', `${source.name} is not valid ${format.toUpperCase()}: ${error.message}`)
  }
  const isNamed = hasHeader(rows)
  const width = rows.reduce((most, row) => Math.max(most, row.length), 0)
  const names = Array.from({ length: width }, (_, index) => (isNamed && rows[0]?.[index]) || `column_${index + 1}`)
  const cells = (isNamed ? rows.slice(1) : rows).map((row) => row.map(typedText))
  return makeTable(format, names, cells, limits, { truncated: !isWhole })
}

const endlessLine = ({ name }: PreviewSource, { sampleBytes }: PreviewLimits): PreviewFailed =>
  new PreviewFailed('too_large', `The first line of ${name} is longer than ${sampleBytes} bytes`)

const parseJson = (text: string, what: string): unknown => {
  if (isDeeperThan(text, maxJsonDepth))
    throw new PreviewFailed('invalid', `${what} is nested more than ${maxJsonDepth} deep`)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new PreviewFailed('invalid', `${what} is not valid JSON: ${error instanceof Error ? error.message : ''}`)
  }
}

/** Shows a file of JSON lines. A last line that the sample cuts off is left out. */
const previewJsonLines = async (source: PreviewSource, limits: PreviewLimits): Promise<Preview> => {
  const { text, isWhole } = await readSample(source, limits.sampleBytes)
  const lines = text.split('\n')
  if (!isWhole) lines.pop()
  if (!isWhole && lines.length === 0) throw endlessLine(source, limits)
  const records: unknown[] = []
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue
    if (records.length > limits.rows) break
    records.push(parseJson(line, `Line ${index + 1} of ${source.name}`))
  }
  return makeRecordTable('jsonl', records, limits, { truncated: !isWhole })
}

/** Shows a JSON file: the elements of a list, or an object as one row. Of a large list the first elements are read. */
const previewJson = async (source: PreviewSource, limits: PreviewLimits): Promise<Preview> => {
  if (source.size > wholeJsonBytes) return previewLongList(source, limits)
  const { text } = await readSample(source, wholeJsonBytes)
  const value = parseJson(text, source.name)
  const records = Array.isArray(value) ? value : [value]
  return makeRecordTable('json', records, limits, { rowCount: records.length })
}

const previewLongList = async (source: PreviewSource, limits: PreviewLimits): Promise<Preview> => {
  const { text } = await readSample(source, limits.sampleBytes)
  const open = /^\ufeff?\s*\[/.exec(text)
  if (!open) {
    throw new PreviewFailed('too_large', `${source.name} is no list, and larger than ${wholeJsonBytes} bytes`)
  }
  const ends = elementEnds(text, open[0].length, limits.rows + 1)
  const last = ends.at(-1)
  if (last === undefined) {
    throw new PreviewFailed(
      'too_large',
      `The first element of ${source.name} is longer than ${limits.sampleBytes} bytes`,
    )
  }
  const records = parseJson(`${text.slice(open[0].length - 1, last)}]`, source.name)
  return makeRecordTable('json', Array.isArray(records) ? records : [], limits, { truncated: true })
}

/** Where the first elements of a list end: at the commas outside of texts, objects and lists. */
const elementEnds = (text: string, start: number, most: number): number[] => {
  const ends: number[] = []
  let depth = 0
  for (let at = start; at < text.length && ends.length < most && depth >= 0; at++) {
    const character = text[at]
    if (character === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === '\\') at++
    } else if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') depth--
    else if (character === ',' && depth === 0) ends.push(at)
  }
  return ends
}

const bombRatio = 200
const chunkBytes = 256 * 1024

/** A reader of yauzl over ranges of the file. */
const rangeReader = (source: PreviewSource): RandomAccessReader => {
  const reader = Reflect.construct(RandomAccessReader, []) as RandomAccessReader
  reader._readStreamForRange = (start: number, end: number) =>
    Readable.from(
      (async function* () {
        for (let at = start; at < end; at += chunkBytes) yield await source.read(at, Math.min(end, at + chunkBytes))
      })(),
    )
  return reader
}

const open = (source: PreviewSource): Promise<ZipFile> =>
  new Promise((resolve, reject) =>
    fromRandomAccessReader(rangeReader(source), source.size, { lazyEntries: true, autoClose: false }, (error, zip) =>
      error ? reject(asProblem(source, error)) : resolve(zip),
    ),
  )

const asProblem = (source: PreviewSource, error: unknown): PreviewFailed => {
  if (error instanceof PreviewFailed) return error
  return new PreviewFailed(
    'invalid',
    `${source.name} is not a valid zip: ${error instanceof Error ? error.message : ''}`,
  )
}

/** Reads the directory of an archive up to a number of members. */
const readEntries = (source: PreviewSource, zip: ZipFile, most: number): Promise<Entry[]> =>
  new Promise((resolve, reject) => {
    const entries: Entry[] = []
    zip.on('entry', (entry: Entry) => {
      if (entries.push(entry) >= most) resolve(entries)
      else zip.readEntry()
    })
    zip.on('end', () => resolve(entries))
    zip.on('error', (error) => reject(asProblem(source, error)))
    zip.readEntry()
  })

const unpack = (source: PreviewSource, zip: ZipFile, entry: Entry, bytes: number): Promise<Uint8Array> =>
  new Promise((resolve, reject) =>
    zip.openReadStream(entry, (error, stream) => {
      if (error) return reject(asProblem(source, error))
      readStart(stream, bytes).then(
        (start) => resolve(start.subarray(0, bytes)),
        (problem) => reject(asProblem(source, problem)),
      )
    }),
  )

/** Shows the members of a zip, and the rows of the first that can be shown. Only its directory and that are read. */
const previewZip = async (
  source: PreviewSource,
  limits: PreviewLimits,
  previewMember: PreviewMember,
): Promise<Preview> => {
  const zip = await open(source)
  const entries = await readEntries(source, zip, limits.members)
  for (const { fileName } of entries) requireInside(source.name, fileName)
  const members = entries.map(({ fileName, uncompressedSize }) => ({ name: fileName, size: uncompressedSize }))
  const entry = entries.find((one) => isShowable(one.fileName, one.uncompressedSize, limits))
  const truncated = zip.entryCount > entries.length
  if (!entry) return archivePreview('zip', members, undefined, truncated)
  const { fileName, uncompressedSize: size, compressedSize } = entry
  if (size > limits.unpackedBytes && size > bombRatio * Math.max(1, compressedSize)) {
    throw new PreviewFailed(
      'too_large',
      `Member ${fileName} of ${source.name} unpacks ${compressedSize} bytes to ${size}, more than ${bombRatio} times as many`,
    )
  }
  const bytes = await unpack(source, zip, entry, bytesToUnpack(fileName, size, limits))
  const preview = await previewMember(memorySource(fileName, size, bytes))
  return archivePreview('zip', members, { name: fileName, preview }, truncated)
}

/** The format of a file by its name, without the ending of a compression. */
const textFormatOf = (name: string): 'csv' | 'tsv' | 'json' | 'jsonl' | undefined => {
  const ending = name.toLowerCase().replace(/\.gz$/, '').split('.').at(-1)
  if (ending === 'csv' || ending === 'tsv' || ending === 'json') return ending
  if (ending === 'tab') return 'tsv'
  return ending === 'jsonl' || ending === 'ndjson' ? 'jsonl' : undefined
}

/** Shows a text by the format that its name says. */
const showText = (source: PreviewSource, limits: PreviewLimits): Promise<Preview> => {
  const format = textFormatOf(source.name)
  if (format === 'json') return previewJson(source, limits)
  if (format === 'jsonl') return previewJsonLines(source, limits)
  if (format) return previewDelimited(source, limits, format)
  const message = `${source.name} has no format that can be shown: parquet, CSV, TSV, JSON, JSON lines, tar.gz or zip`
  throw new PreviewFailed('unsupported', message)
}

/** Shows the first rows of a file, or of the first member of an archive that can be shown. */
export const previewFile = async (source: PreviewSource, limits: PreviewLimits): Promise<Preview> => {
  if (source.size === 0) throw new PreviewFailed('invalid', `${source.name} is empty`)
  const start = Buffer.from(await source.read(0, Math.min(4, source.size)))
  if (start.toString('latin1') === 'PAR1') return previewParquet(source, limits)
  const previewMember = (member: PreviewSource) =>
    /\.parquet$/i.test(member.name) ? previewParquet(member, limits) : showText(member, limits)
  if (start.toString('latin1').startsWith('PK')) return previewZip(source, limits, previewMember)
  if (start[0] === 0x1f && start[1] === 0x8b) return previewGzip(source, limits, previewMember)
  if (/\.(parquet|zip|t?gz)$/i.test(source.name)) {
    throw new PreviewFailed('invalid', `${source.name} does not begin as its name says`)
  }
  return showText(source, limits)
}
