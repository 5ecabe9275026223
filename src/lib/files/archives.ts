/** Archives of plain files in the format of tar, read and written as streams. */
import { createHash } from 'node:crypto'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract, pack } from 'tar-stream'
import { AppError } from '../errors.ts'
import { makeByteReader } from './byte-reader.ts'

const blockBytes = 512

/** Yields one entry. Throws when the body has another size than announced: the archive is unusable then. */
export async function* tarEntry(
  name: string,
  size: number,
  body: AsyncIterable<Uint8Array> | readonly Uint8Array[],
): AsyncGenerator<Uint8Array> {
  const archive = pack()
  const entry = archive.entry({ name, size, mode: 0o600, type: 'file' })
  let written = 0
  const counted = async function* () {
    for await (const chunk of body) {
      written += chunk.length
      if (written > size) throw wrongSize(name, size, written)
      yield chunk
    }
    if (written < size) throw wrongSize(name, size, written)
  }
  pipeline(Readable.from(counted(), { objectMode: false }), entry).then(
    () => archive.push(null), // without the end of an archive: more entries follow
    (error) => archive.destroy(error),
  )
  yield* archive as AsyncIterable<Uint8Array>
}

const wrongSize = (name: string, size: number, written: number): AppError =>
  new AppError('internal', `${name} has ${written} bytes or more, and not ${size} as its storage said`, {
    hint: 'Run the command again. If it happens again, the storage is damaged.',
  })

/** The end of an archive. */
export const tarEnd = (): Uint8Array => Buffer.alloc(2 * blockBytes)

export interface TarEntry {
  name: string
  size: number
  /** Read it before the next entry is asked for; what is left is skipped. */
  body: AsyncIterable<Buffer>
  /** SHA-256 in hex of everything before the entry, for the one that was asked about. */
  sha256Before: string | undefined
}

const faultOf = (error: unknown): unknown => {
  const { message } = error as Error
  if (message === 'Unexpected end of data') {
    return new AppError('invalid', 'The archive ends in the middle of an entry', {
      hint: 'It was cut off while it was written or copied. Use another one.',
      cause: error,
    })
  }
  return /header/i.test(message) && !(error instanceof AppError) ? damaged(error) : error
}

const damaged = (cause?: unknown): AppError =>
  new AppError('invalid', 'This is no archive, or it is damaged', {
    hint: 'Check that the file is a whole backup.',
    cause,
  })

/** More than a reader is ahead of an entry, with the 4 MiB that tar-stream takes of a long name. */
const mostAhead = 8 * 1024 * 1024

/** Hashes a stream up to positions that become known later than its chunks. */
const makeLateHash = () => {
  const hash = createHash('sha256')
  const waiting: Buffer[] = []
  let hashed = 0
  let received = 0
  let known = 0
  const advance = () => {
    for (let [first] = waiting; first && hashed < known; [first] = waiting) {
      const part = first.subarray(0, known - hashed)
      hash.update(part)
      hashed += part.length
      if (part.length === first.length) waiting.shift()
      else waiting[0] = first.subarray(part.length)
    }
  }
  return {
    add(chunk: Buffer) {
      waiting.push(chunk)
      received += chunk.length
      advance()
      if (received - hashed > mostAhead) throw damaged()
    },
    advanceTo(position: number) {
      known = position
      advance()
    },
    digest: () => hash.copy().digest('hex'),
  }
}

/** Reads the files of an archive in their order. Refuses links, folders and devices. */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  /** Name of the entry that needs the hash of what comes before it. */
  hashBefore: string,
): AsyncGenerator<TarEntry> {
  const archive = extract()
  const hash = makeLateHash()
  const observed = async function* () {
    for await (const chunk of makeByteReader(source).rest()) {
      hash.add(chunk)
      yield chunk
    }
  }
  const feeding = pipeline(Readable.from(observed(), { objectMode: false }), archive)
  feeding.catch(() => {}) // reading fails with it
  try {
    for await (const entry of archive) {
      const { name, size, type } = entry.header
      if (type !== 'file' || !Number.isSafeInteger(size)) throw damaged()
      hash.advanceTo(entry.offset)
      const sha256Before = name === hashBefore ? hash.digest() : undefined
      hash.advanceTo(entry.offset + blockBytes + Math.ceil(size / blockBytes) * blockBytes)
      const chunks = entry[Symbol.asyncIterator]()
      const body = async function* () {
        try {
          for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value as Buffer
        } catch (error) {
          throw faultOf(error)
        }
      }
      yield { name, size, body: body(), sha256Before }
      for await (const _ of body());
    }
    await feeding
  } catch (error) {
    throw faultOf(error)
  } finally {
    archive.destroy()
  }
}

/** A file of an archive. `open` is called when the archive reaches it, one file at a time. */
export interface ZipEntry {
  /** Relative, with forward slashes. */
  name: string
  modified: Date
  open(): Promise<Readable>
}

/** yazl refuses a name that begins like a Windows drive, but `a:b.txt` is a valid name of a stored file. */
const withoutDrive = (name: string): string => name.replace(/^([a-z]):/i, '$1_')

/**
 * Streams a ZIP archive: one file at a time, with backpressure, ZIP64 where sizes need it. An error of a file destroys
 * the stream, and destroying the stream closes the file that is open.
 */
export const zipArchive = async (entries: Iterable<ZipEntry>): Promise<Readable> => {
  const { ZipFile } = await import('yazl') // loaded on first use: it takes 20 ms
  const zip = new ZipFile()
  const output = new PassThrough()
  let source: Readable | undefined
  const fail = (error: unknown) => output.destroy(error as Error)
  zip.on('error', fail)
  zip.outputStream.pipe(output)
  output.once('close', () => source?.destroy())
  for (const { name, modified, open } of entries) {
    zip.addReadStreamLazy(withoutDrive(name), { mtime: modified, compressionLevel: 1 }, (give) => {
      open().then((opened) => {
        source = opened.once('error', fail) // yazl only pipes: it neither forwards errors nor closes its sources
        if (output.destroyed) source.destroy()
        else give(null, source)
      }, fail)
    })
  }
  zip.end()
  return output
}
