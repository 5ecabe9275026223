import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import busboy from 'busboy'
import { z } from 'zod'
import { AppError, invalidField } from '../../lib/errors.ts'
import { contentTypeOf, essenceOf } from '../../lib/files/media-type.ts'
import { makeByteBlocks } from '../../lib/memory/byte-blocks.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { Endpoint } from '../endpoint.ts'
import { bodyCutOff, bodyIdleSeconds, decodeText, type JsonReading, parseJson, readBytes } from './body.ts'
import type { Room } from './memory.ts'

const maxFields = 200
/** Maximum size of all fields together, as a multiple of the size of one. */
const mostFullFields = 4

const partTooLarge = (maxBytes: number): AppError =>
  new AppError('too_large', `File too large. Maximum allowed size is ${byteSize(maxBytes)}`)

const fieldTooLarge = (name: string, maxBytes: number): AppError =>
  new AppError('too_large', `Field ${name} is too large. Maximum allowed size is ${byteSize(maxBytes)}`, {
    hint: 'Send large data as a file.',
  })

const fieldsTooLarge = (maxFieldBytes: number): AppError =>
  new AppError(
    'too_large',
    `The fields of the form have more than ${byteSize(mostFullFields * maxFieldBytes)} together`,
    {
      hint: 'Send large data as files.',
    },
  )

const notAFile = (name: string): AppError =>
  invalidField(['body', name], `${name} must be sent as a file; with curl: -F '${name}=@path'`, 'file_expected')

const notAField = (name: string): AppError =>
  invalidField(
    ['body', name],
    `${name} must be sent as a field, not as a file; with curl: -F '${name}=<path'`,
    'field_expected',
  )

/**
 * The error for text that is not UTF-8; used for other text fields too. Replacing its bytes by U+FFFD would lose data.
 */
const badEncoding = (name: string): AppError =>
  invalidField(['body', name], `${name} is not valid UTF-8; send it encoded as UTF-8`, 'encoding')

const notMultipart = (error: unknown): AppError => {
  const reason = error instanceof Error ? error.message : String(error)
  if (/boundary/i.test(reason)) {
    return invalidField(
      ['header', 'content-type'],
      'multipart/form-data without a boundary; let the client set Content-Type by itself, or add ; boundary=…',
      'boundary_missing',
    )
  }
  return invalidField(['body'], `The multipart body cannot be read: ${reason}`, 'multipart_invalid')
}

/** The last part of a file name, without control characters; never empty. */
const plainFileName = (name: string): string => {
  const last = name.split(/[/\\]/).at(-1) ?? ''
  // biome-ignore lint/suspicious/noControlCharactersInRegex: taking them out is the point
  const clean = last.replace(/[\u0000-\u001f\u007f-\u009f]/g, '').trim()
  return clean === '' || clean === '.' || clean === '..' ? 'upload.bin' : clean.slice(-200)
}

/** Keeps the last bytes that have arrived: at least as many as one field may have, and at most twice as many. */
export const lastBytes = (most: number) => {
  const newest = makeByteBlocks()
  let before: Buffer = Buffer.alloc(0)
  return {
    add(chunk: Buffer) {
      newest.add(chunk)
      if (newest.size >= most) before = newest.take()
    },
    include(text: string): boolean {
      before = Buffer.concat([before, newest.take()]).subarray(-most)
      return before.includes(text)
    },
  }
}

/**
 * The declared media type, or the one of the file name if the declared one is generic: parsers report `text/plain` for
 * parts that declare none.
 */
const mediaTypeOfPart = (name: string, declared: string): string => {
  const byName = contentTypeOf(name)
  const vague = ['', 'text/plain', 'application/octet-stream'].includes(essenceOf(declared))
  return vague && byName !== 'application/octet-stream' ? byName : declared
}

/** A stored file part. `object` is its id in the object store. */
export interface ReceivedFile {
  object: string
  name: string
  content_type: string
  size: number
  sha256: string
  /** The content, where the endpoint holds its files in memory. */
  bytes?: Uint8Array
}

/** Stores file parts; the object store implements it. `put` must clean up when the stream fails. */
export interface FileSink {
  put(stream: Readable, options: { maxBytes: number }): Promise<{ id: string; size: number; sha256: string }>
  remove(ids: string[]): Promise<void>
}

export interface FormLimits {
  maxFileBytes: number
  maxFiles: number
  /** Largest value of one field; above it the answer is 413. */
  maxFieldBytes: number
}

export interface Form {
  fields: Record<string, string>
  files: ReceivedFile[]
  /** Names of file parts that the endpoint does not have: they were skipped. */
  skipped: string[]
}

/** Maximum number of skipped parts that are named. */
const mostSkipped = 20

/** Names of the parts of a form. */
export interface PartNames {
  files: readonly string[]
  fields: readonly string[]
}

/** A form that is being read. */
interface FormReading {
  form: Form
  names: PartNames
  limits: FormLimits
  sink: FileSink
  /** The last bytes that have arrived. */
  recent: ReturnType<typeof lastBytes>
  /** Streams of file parts that are being stored. */
  open: Set<Readable>
  /** Resolves when the files so far are stored, one after the other. */
  stored: Promise<void>
  fieldBytes: number
  hasFailed: boolean
}

const openParser = (headers: IncomingHttpHeaders, limits: FormLimits): busboy.Busboy => {
  try {
    return busboy({
      headers,
      defParamCharset: 'utf8',
      limits: {
        fieldSize: limits.maxFieldBytes + 1, // busboy calls a value that just reaches its limit truncated
        fields: maxFields,
        fileSize: limits.maxFileBytes + 1,
        files: limits.maxFiles,
      },
    })
  } catch (error) {
    throw notMultipart(error)
  }
}

/** Adds a field to the form, or returns the reason to refuse the form. */
const takeField = (
  reading: FormReading,
  name: string,
  value: string,
  { valueTruncated }: busboy.FieldInfo,
): AppError | undefined => {
  const { form, names, limits, recent } = reading
  if (valueTruncated) return fieldTooLarge(name, limits.maxFieldBytes)
  reading.fieldBytes += value.length
  if (reading.fieldBytes > mostFullFields * limits.maxFieldBytes) return fieldsTooLarge(limits.maxFieldBytes)
  if (names.files.includes(name) && value !== '') return notAFile(name)
  if (value.includes('\ufffd') && !recent.include(value)) return badEncoding(name)
  Object.defineProperty(form.fields, name, { value, enumerable: true, configurable: true, writable: true })
  return undefined
}

/** Skips a file part that the endpoint does not have. Returns the reason to refuse the form, if there is one. */
const skipFile = ({ form, names, hasFailed }: FormReading, name: string, stream: Readable): AppError | undefined => {
  stream.resume()
  if (names.fields.includes(name)) return notAField(name)
  if (!hasFailed && form.skipped.length < mostSkipped) form.skipped.push(name)
  return undefined
}

const storeFile = async (
  { form, limits, sink }: FormReading,
  stream: Readable,
  name: string | undefined,
  type: string,
) => {
  const { id, size, sha256 } = await sink.put(stream, { maxBytes: limits.maxFileBytes })
  // Browsers send an empty file input as a part without a name and bytes.
  if (name === undefined && size === 0) return sink.remove([id])
  const plain = plainFileName(name ?? '')
  form.files.push({ object: id, name: plain, content_type: mediaTypeOfPart(plain, type), size, sha256 })
}

/** Calls back when the body breaks off, or nothing arrives for a while. Returns the function that ends the watch. */
const watchBody = (body: Readable, recent: FormReading['recent'], onBroken: () => void): (() => void) => {
  const timer = setTimeout(onBroken, bodyIdleSeconds * 1000)
  const onData = (chunk: Buffer) => {
    timer.refresh()
    recent.add(chunk)
  }
  body.on('data', onData)
  body.on('close', () => {
    if (!body.readableEnded) onBroken()
  })
  return () => {
    clearTimeout(timer)
    body.off('data', onData)
  }
}

/** Reads all parts. Rejects at the first failure, which ends the streams of files. */
const readParts = (body: Readable, parser: busboy.Busboy, reading: FormReading): Promise<void> =>
  new Promise((resolve, reject) => {
    const { names, limits, open, recent } = reading
    const fail = (problem: unknown) => {
      reading.hasFailed = true
      unwatch()
      body.unpipe(parser)
      body.pause()
      for (const stream of open) stream.destroy(problem instanceof Error ? problem : undefined)
      reject(problem)
    }
    const unwatch = watchBody(body, recent, () => fail(bodyCutOff()))
    parser.on('field', (name, value, info) => {
      const problem = takeField(reading, name, value, info)
      if (problem) fail(problem)
    })
    parser.on('file', (name, stream, info) => {
      stream.on('error', () => {}) // reported by the parser
      // Parts of the same packet as the failure still arrive, and their streams would never end.
      if (reading.hasFailed || !names.files.includes(name)) {
        const problem = skipFile(reading, name, stream)
        if (problem) fail(problem)
        return
      }
      open.add(stream)
      stream.on('limit', () => fail(partTooLarge(limits.maxFileBytes)))
      const { filename, mimeType } = info as { filename: string | undefined; mimeType: string }
      reading.stored = reading.stored.then(() => storeFile(reading, stream, filename, mimeType))
      reading.stored.then(() => open.delete(stream), fail)
    })
    const tooMany = (path: string[], what: string) => fail(invalidField(path, what, 'too_many'))
    parser.on('filesLimit', () => tooMany(['body', 'files'], `At most ${limits.maxFiles} files may be sent at once`))
    parser.on('fieldsLimit', () => tooMany(['body'], `At most ${maxFields} fields may be sent`))
    parser.on('error', (error) => fail(notMultipart(error)))
    parser.on('close', () => {
      unwatch()
      reading.stored.then(resolve, reject)
    })
    if (body.destroyed && !body.readableEnded) fail(bodyCutOff())
    else body.pipe(parser)
  })

/**
 * Reads a multipart form as it arrives. Declared file parts are stored one at a time and never held in memory; unknown
 * ones are skipped. On any failure, including a disconnect of the client, the stored files are removed before the
 * promise rejects.
 */
export const readMultipart = async (
  body: Readable,
  headers: IncomingHttpHeaders,
  names: PartNames,
  limits: FormLimits,
  sink: FileSink,
): Promise<Form> => {
  const form: Form = { fields: {}, files: [], skipped: [] }
  const reading: FormReading = {
    ...{ form, names, limits, sink, fieldBytes: 0, hasFailed: false },
    ...{ recent: lastBytes(limits.maxFieldBytes + 64 * 1024), open: new Set(), stored: Promise.resolve() },
  }
  const parser = openParser(headers, limits)
  try {
    await readParts(body, parser, reading)
    return form
  } catch (error) {
    await reading.stored.catch(() => {})
    await sink.remove(form.files.map((file) => file.object)).catch(() => {})
    throw error
  }
}

export interface ReceivedForm {
  fields: Record<string, unknown>
  files: ReceivedFile[]
  /** Names of file parts that the endpoint does not have. */
  skipped: string[]
  /** The JSON text, where the form came as JSON. */
  text: string
}

/** Each field is held as text and as its parsed value. */
const copiesOfFields = 2

/** The size of one field, and a little for the others. */
const bodyLimit = (limits: FormLimits): number => limits.maxFieldBytes + 64 * 1024

const hasBadEncoding = (text: string): boolean => {
  try {
    decodeURIComponent(text.replace(/%(?![0-9a-f]{2})/gi, '')) // a single % means itself
    return false
  } catch {
    return true
  }
}

const urlencoded = (text: string, limits: FormLimits): ReceivedForm => {
  const fields: Record<string, unknown> = Object.fromEntries(new URLSearchParams(text))
  const bad = text.split('&').find(hasBadEncoding)
  if (bad !== undefined) throw badEncoding(new URLSearchParams(bad).keys().next().value ?? 'body')
  for (const [name, value] of Object.entries(fields)) {
    if (Buffer.byteLength(String(value)) > limits.maxFieldBytes) throw fieldTooLarge(name, limits.maxFieldBytes)
  }
  return { fields, files: [], skipped: [], text: '' }
}

const json = async (text: string, reading: JsonReading): Promise<ReceivedForm> => {
  const fields = await parseJson(text, reading)
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw invalidField(['body'], 'The body must be a JSON object with the names of the form fields', 'object_expected')
  }
  return { fields: fields as Record<string, unknown>, files: [], skipped: [], text }
}

/** The parts that a form of this endpoint may have. */
export const partNames = ({ body, files }: Endpoint): PartNames => ({
  files,
  fields: body instanceof z.ZodObject ? Object.keys(body.shape) : [],
})

/** Reads a form that is sent as multipart, urlencoded, or JSON with the same names. */
export const readForm = async (
  body: Readable,
  headers: IncomingHttpHeaders,
  names: PartNames,
  limits: FormLimits,
  sink: FileSink | undefined,
  reading: Pick<JsonReading, 'mostValues' | 'owner'>,
  room?: Room,
): Promise<ReceivedForm> => {
  const contentType = headers['content-type']?.toLowerCase() ?? ''
  if (contentType.startsWith('multipart/form-data')) {
    if (!sink) throw new Error('a form with files needs somewhere to put them')
    const form = await readMultipart(body, headers, names, limits, sink)
    const bytes = Object.values(form.fields).reduce((sum, value) => sum + value.length, 0)
    try {
      await room?.(copiesOfFields * bytes)
    } catch (error) {
      await sink.remove(form.files.map(({ object }) => object)).catch(() => {})
      throw error
    }
    return { ...form, text: '' }
  }
  const text = decodeText(await readBytes(body, bodyLimit(limits), room, Number(headers['content-length'])))
  if (text.trim() === '') return { fields: {}, files: [], skipped: [], text: '' }
  if (contentType.startsWith('application/json') || text.trimStart().startsWith('{'))
    return json(text, { ...reading, contentType, room })
  if (contentType === '' || contentType.startsWith('application/x-www-form-urlencoded')) return urlencoded(text, limits)
  throw invalidField(
    ['header', 'content-type'],
    'Send the form as multipart/form-data, application/x-www-form-urlencoded or application/json',
    'content_type',
  )
}
