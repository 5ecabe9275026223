/** Archives in the format of tar (ustar; sizes above 8 GiB as GNU tar writes them), read and written as streams. */
import { createHash } from 'node:crypto'
import { AppError } from '../errors.ts'
import { makeByteReader } from './byte-reader.ts'

const blockBytes = 512
const longestName = 100
const largestOctal = 0o77777777777

/** Position and length of the fields of a header. */
const at = { name: 0, mode: 100, uid: 108, gid: 116, size: 124, mtime: 136, checksum: 148, type: 156, magic: 257 }
const checksumLength = 8
const sizeLength = 12

const paddingOf = (size: number): number => (blockBytes - (size % blockBytes)) % blockBytes

const writeSize = (header: Buffer, size: number): void => {
  if (size <= largestOctal) return void header.write(size.toString(8).padStart(sizeLength - 1, '0'), at.size, 'latin1')
  header[at.size] = 0x80
  header.writeBigUInt64BE(BigInt(size), at.size + sizeLength - 8)
}

const readSize = (header: Buffer): number =>
  header[at.size] === 0x80
    ? Number(header.readBigUInt64BE(at.size + sizeLength - 8))
    : Number.parseInt(header.toString('latin1', at.size, at.size + sizeLength - 1), 8)

/** The sum of all bytes of a header, its own field taken as spaces. */
const checksumOf = (header: Buffer): number => {
  let sum = checksumLength * 0x20
  for (const [index, byte] of header.entries()) {
    if (index < at.checksum || index >= at.checksum + checksumLength) sum += byte
  }
  return sum
}

const headerOf = (name: string, size: number): Buffer => {
  if (Buffer.byteLength(name) > longestName) throw new Error(`The name is too long for an archive: ${name}`)
  const header = Buffer.alloc(blockBytes)
  header.write(name, at.name)
  header.write('0000600', at.mode)
  header.write('0000000', at.uid)
  header.write('0000000', at.gid)
  writeSize(header, size)
  header.write(
    Math.floor(Date.now() / 1000)
      .toString(8)
      .padStart(11, '0'),
    at.mtime,
  )
  header.write('0', at.type)
  header.write('ustar\u000000', at.magic)
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, at.checksum)
  return header
}

/** Yields one entry. Throws when the body has another size than announced: the archive is unusable then. */
export async function* tarEntry(
  name: string,
  size: number,
  body: AsyncIterable<Uint8Array> | readonly Uint8Array[],
): AsyncGenerator<Uint8Array> {
  yield headerOf(name, size)
  let written = 0
  for await (const chunk of body) {
    written += chunk.length
    if (written > size) break
    yield chunk
  }
  if (written !== size) {
    throw new AppError('internal', `${name} has ${written} bytes or more, and not ${size} as its storage said`, {
      hint: 'Run the command again. If it happens again, the storage is damaged.',
    })
  }
  if (paddingOf(size) > 0) yield Buffer.alloc(paddingOf(size))
}

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

const truncated = (): AppError =>
  new AppError('invalid', 'The archive ends in the middle of an entry', {
    hint: 'It was cut off while it was written or copied. Use another one.',
  })

const damaged = (): AppError =>
  new AppError('invalid', 'This is no archive, or it is damaged', { hint: 'Check that the file is a whole backup.' })

/** Reads the entries of an archive in their order. */
export async function* readTar(
  source: AsyncIterable<Uint8Array>,
  /** Name of the entry that needs the hash of what comes before it. */
  hashBefore: string,
): AsyncGenerator<TarEntry> {
  const bytes = makeByteReader(source)
  const hash = createHash('sha256')
  try {
    for (;;) {
      const header = await bytes.take(blockBytes)
      if (header.length < blockBytes) throw header.length === 0 ? truncated() : damaged()
      if (header.every((byte) => byte === 0)) return
      if (Number.parseInt(header.toString('latin1', at.checksum, at.checksum + 6), 8) !== checksumOf(header)) {
        throw damaged()
      }
      const name = header.toString('utf8', 0, longestName).replace(/\0.*$/s, '')
      const size = readSize(header)
      const sha256Before = name === hashBefore ? hash.copy().digest('hex') : undefined
      hash.update(header)
      if (!Number.isSafeInteger(size) || size < 0) throw damaged()
      let left = size
      const body = async function* () {
        while (left > 0) {
          const part = await bytes.next(left)
          if (!part) throw truncated()
          left -= part.length
          hash.update(part)
          yield part
        }
      }
      yield { name, size, body: body(), sha256Before }
      for await (const _ of body());
      const padding = await bytes.take(paddingOf(size))
      if (padding.length < paddingOf(size)) throw truncated()
      hash.update(padding)
    }
  } finally {
    await bytes.close()
  }
}
