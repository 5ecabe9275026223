import { Readable } from 'node:stream'
import { bytes, type Reply, rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import type { FileRow } from '../../store/files/files.ts'
import type { ByteRange } from '../../store/objects/objects.ts'
import { disposition } from './disposition.ts'
import { parseRange } from './range.ts'

/** The part of the object store that reads. */
export interface ReadableObjects {
  open(id: string, range?: ByteRange): Promise<{ stream: Readable; size: number }>
}

export const fileNotFound = () => new AppError('not_found', 'File not found')

const safeType = (type: string): string =>
  /^[\w.+-]+\/[\w.+-]+(; ?[\w-]+=[\w."-]+)*$/.test(type) ? type : 'application/octet-stream'

const openObject = async (
  objects: ReadableObjects,
  id: string,
  range: ByteRange | undefined,
): Promise<ReadableStream<Uint8Array>> => {
  try {
    return Readable.toWeb((await objects.open(id, range)).stream) as ReadableStream<Uint8Array>
  } catch (error) {
    throw error instanceof AppError && error.code === 'not_found' ? fileNotFound() : error
  }
}

/** Whether an If-None-Match names the tag: it may list several, weak ones included, or all. */
const matches = (header: string | null, etag: string): boolean =>
  header?.split(',').some((one) => ['*', etag, `W/${etag}`].includes(one.trim())) ?? false

/** Answers a request for the bytes of a file: whole, a range of them, or that they have not changed. */
export const serveFile = async (
  objects: ReadableObjects,
  file: FileRow,
  request: Request,
  inline: boolean,
): Promise<Reply> => {
  const etag = `"${file.object}"`
  const type = safeType(file.content_type)
  const common = {
    etag,
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    'content-security-policy': "default-src 'none'; sandbox",
    'content-disposition': disposition(file.name, type, inline),
  }
  if (matches(request.headers.get('if-none-match'), etag)) return bytes(null, common, 304)

  const condition = request.headers.get('if-range')
  const wanted = condition === null || condition === etag ? request.headers.get('range') : null
  const range = parseRange(wanted ?? undefined, file.size)
  if (range === 'unsatisfiable') {
    const headers = { 'content-range': `bytes */${file.size}` }
    return rawJson('{"detail":"Range Not Satisfiable"}', { status: 416, headers })
  }
  const length = range ? range.end - range.start + 1 : file.size
  const headers = { ...common, 'content-type': type, 'content-length': String(length) }
  if (!range) return bytes(await openObject(objects, file.object, undefined), headers)
  const partial = { ...headers, 'content-range': `bytes ${range.start}-${range.end}/${file.size}` }
  return bytes(await openObject(objects, file.object, range), partial, 206)
}
