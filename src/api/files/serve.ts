import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { bytes, type Reply, rawJson } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import type { FileRow } from '../../store/files/files.ts'
import { isObjectId } from '../../store/objects/object-id.ts'
import type { ByteRange, ObjectStore } from '../../store/objects/objects.ts'

/** First and last byte, both included. */
interface Range {
  start: number
  end: number
}

/**
 * Parses a Range header for a file of `size` bytes. Undefined: the whole file (no header, an unsupported one, or
 * several ranges, which may be ignored). `unsatisfiable`: nothing of it is inside.
 */
export const parseRange = (header: string | undefined, size: number): Range | 'unsatisfiable' | undefined => {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const [first, last] = [match[1]!, match[2]!]
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== '' && Number(last) < start) return undefined
  return start >= size ? 'unsatisfiable' : { start, end }
}

/** Types that a browser may display: none can carry a script. */
const shownInline =
  /^(image\/(png|jpeg|gif|webp|avif|bmp)|(audio|video)\/[\w.+-]+|text\/(plain|csv|markdown)|application\/json)$/

const encodeExtended = (text: string): string =>
  encodeURIComponent(text).replace(/['()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`)

/** Content-Disposition of a file: `filename`, and `filename*` too when the name is not ASCII. */
const disposition = (name: string, contentType: string, inline: boolean): string => {
  const kind = inline && shownInline.test(contentType.split(';', 1)[0]!.trim().toLowerCase()) ? 'inline' : 'attachment'
  const plain = name.replace(/[^\x20-\x7e]/g, '_').replace(/["\\]/g, '_')
  const extended = plain === name ? '' : `; filename*=UTF-8''${encodeExtended(name)}`
  return `${kind}; filename="${plain}"${extended}`
}

/** Reads from the object store. */
export interface ReadableObjects {
  open(id: string, range?: ByteRange): Promise<{ stream: Readable; size: number }>
  link: ObjectStore['link']
}

/** Smaller files are sent sooner than a client follows a link. */
const leastLinkedBytes = 8 * 1024 * 1024
const linkSeconds = 3_600

/**
 * Makes a link to the bytes for a download, good for an hour; undefined where the bucket has none. Never for what a page
 * shows: the bucket sends no policy that keeps it from running.
 */
export const downloadLink = (objects: Pick<ReadableObjects, 'link'>, file: FileRow): Promise<string | undefined> => {
  const contentType = safeType(file.content_type)
  const shown = disposition(file.name, contentType, false)
  return objects.link(file.object, { seconds: linkSeconds, disposition: shown, contentType })
}

export const fileNotFound = () => new AppError('not_found', 'File not found')

const safeType = (type: string): string =>
  /^[\w.+-]+\/[\w.+-]+(; ?[\w-]+=[\w."-]+)*$/.test(type) ? type : 'application/octet-stream'

const openObject = async (objects: ReadableObjects, id: string, range: ByteRange | undefined): Promise<Readable> => {
  try {
    return (await objects.open(id, range)).stream
  } catch (error) {
    throw error instanceof AppError && error.code === 'not_found' && isObjectId(id) ? fileNotFound() : error
  }
}

/** Tells whether an If-None-Match names the tag. It may list several tags, weak ones included, or `*` for all. */
const matches = (header: string | undefined, etag: string): boolean =>
  header?.split(',').some((one) => ['*', etag, `W/${etag}`].includes(one.trim())) ?? false

/** Answers with the bytes of a file: all, a range, or a 304 when they have not changed. */
export const serveFile = async (
  objects: ReadableObjects,
  file: FileRow,
  { method, headers }: { method: string; headers: IncomingHttpHeaders },
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
  if (matches(headers['if-none-match'], etag)) return bytes(null, common, 304)

  // A link is signed for GET alone.
  const mayLink = !inline && method !== 'HEAD' && file.size >= leastLinkedBytes
  const link = mayLink ? await downloadLink(objects, file) : undefined
  if (link) return bytes(null, { location: link, 'cache-control': 'private, no-store' }, 302)

  const condition = headers['if-range']?.toString()
  const wanted = condition === undefined || condition === etag ? headers.range : undefined
  const range = parseRange(wanted, file.size)
  if (range === 'unsatisfiable') {
    const size = { 'content-range': `bytes */${file.size}` }
    return rawJson('{"detail":"Range Not Satisfiable"}', { status: 416, headers: size })
  }
  const length = range ? range.end - range.start + 1 : file.size
  const whole = { ...common, 'content-type': type, 'content-length': String(length) }
  if (!range) return bytes(await openObject(objects, file.object, undefined), whole)
  const partial = { ...whole, 'content-range': `bytes ${range.start}-${range.end}/${file.size}` }
  return bytes(await openObject(objects, file.object, range), partial, 206)
}
