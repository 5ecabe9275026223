import { Readable } from 'node:stream'
import { type Entry, fromRandomAccessReader, RandomAccessReader, type ZipFile } from 'yauzl'
import { readStart } from '../../lib/memory/byte-blocks.ts'
import {
  archivePreview,
  bytesToUnpack,
  isShowable,
  memorySource,
  type PreviewMember,
  requireInside,
} from './members.ts'
import { type Preview, PreviewFailed, type PreviewLimits, type PreviewSource } from './preview.ts'

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
export const previewZip = async (
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
