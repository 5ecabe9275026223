import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { makeByteBlocks } from '../../lib/memory/byte-blocks.ts'
import {
  archivePreview,
  bytesToUnpack,
  isShowable,
  memorySource,
  type PreviewMember,
  requireInside,
} from './members.ts'
import { type Preview, PreviewFailed, type PreviewLimits, type PreviewSource } from './preview.ts'

const blockBytes = 512
const bombRatio = 100
const bombFromBytes = 8 * 1024 * 1024
const chunkBytes = 64 * 1024

/** The unpacked beginning of a gzip file. */
interface Unpacked {
  bytes: Buffer
  isWhole: boolean
}

/** Unpacks the beginning of a gzip file. Throws for one that unpacks to very much more than it has. */
const gunzipStart = async (source: PreviewSource, most: number): Promise<Unpacked> => {
  let packed = 0
  const chunks = (async function* () {
    for (let at = 0; at < source.size; at += chunkBytes) {
      const chunk = await source.read(at, Math.min(source.size, at + chunkBytes))
      packed += chunk.length
      yield chunk
    }
  })()
  const unpacked = Readable.from(chunks).pipe(createGunzip({ chunkSize: chunkBytes }))
  const bytes = makeByteBlocks()
  try {
    for await (const part of unpacked as AsyncIterable<Buffer>) {
      bytes.add(part)
      const { size } = bytes
      if (size > bombFromBytes && size > bombRatio * packed) {
        const message = `${source.name} unpacks ${packed} bytes to more than ${size}, over ${bombRatio} times as many`
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
export const previewGzip = async (
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
