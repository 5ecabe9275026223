import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import busboy from 'busboy'
import { AppError, invalidField } from '../../lib/errors.ts'
import { contentTypeOf, essenceOf } from '../../lib/files/media-type.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { bodyCutOff, bodyIdleSeconds } from './body.ts'

/** A stored file part. `object` is its id in the object store. */
export interface ReceivedFile {
  object: string
  name: string
  content_type: string
  size: number
  sha256: string
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

const maxFields = 200
/** Maximum size of all fields together, as a multiple of the size of one. */
const mostFullFields = 4
/** Maximum number of skipped parts that are named. */
const mostSkipped = 20

const fileTooLarge = (maxBytes: number): AppError =>
  new AppError('too_large', `File too large. Maximum allowed size is ${byteSize(maxBytes)}`)

export const fieldTooLarge = (name: string, maxBytes: number): AppError =>
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
export const badEncoding = (name: string): AppError =>
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

/** Keeps the last bytes that have arrived, as many as one field may have. */
const lastBytes = (most: number) => {
  const chunks: Buffer[] = []
  let size = 0
  return {
    add(chunk: Buffer) {
      chunks.push(chunk)
      size += chunk.length
      while (size - (chunks[0]?.length ?? 0) > most) size -= chunks.shift()?.length ?? 0
    },
    include: (text: string): boolean => Buffer.concat(chunks).includes(text),
  }
}

/**
 * The declared media type, or the one of the file name if the declared one is generic: parsers report `text/plain` for
 * parts that declare none.
 */
const typeOf = (name: string, declared: string): string => {
  const byName = contentTypeOf(name)
  const vague = ['', 'text/plain', 'application/octet-stream'].includes(essenceOf(declared))
  return vague && byName !== 'application/octet-stream' ? byName : declared
}

/** Names of the parts of a form. */
export interface PartNames {
  files: readonly string[]
  fields: readonly string[]
}

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
  let parser: busboy.Busboy
  try {
    parser = busboy({
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

  let stored: Promise<void> = Promise.resolve()
  const keep = async (stream: Readable, name: string | undefined, type: string) => {
    const { id, size, sha256 } = await sink.put(stream, { maxBytes: limits.maxFileBytes })
    // Browsers send an empty file input as a part without a name and bytes.
    if (name === undefined && size === 0) return sink.remove([id])
    const plain = plainFileName(name ?? '')
    form.files.push({ object: id, name: plain, content_type: typeOf(plain, type), size, sha256 })
  }

  try {
    await new Promise<void>((resolve, reject) => {
      const current = new Set<Readable>()
      const timer = setTimeout(() => fail(bodyCutOff()), bodyIdleSeconds * 1000)
      const recent = lastBytes(limits.maxFieldBytes + 64 * 1024)
      const onData = (chunk: Buffer) => {
        timer.refresh()
        recent.add(chunk)
      }
      const settle = () => {
        clearTimeout(timer)
        body.off('data', onData)
      }
      let failed = false
      let fieldBytes = 0
      const fail = (problem: unknown) => {
        failed = true
        settle()
        body.unpipe(parser)
        body.pause()
        for (const stream of current) stream.destroy(problem instanceof Error ? problem : undefined)
        reject(problem)
      }
      parser.on('field', (name, value, info) => {
        if (info.valueTruncated) return fail(fieldTooLarge(name, limits.maxFieldBytes))
        fieldBytes += value.length
        if (fieldBytes > mostFullFields * limits.maxFieldBytes) return fail(fieldsTooLarge(limits.maxFieldBytes))
        if (names.files.includes(name) && value !== '') return fail(notAFile(name))
        if (value.includes('\ufffd') && !recent.include(value)) return fail(badEncoding(name))
        Object.defineProperty(form.fields, name, { value, enumerable: true, configurable: true, writable: true })
      })
      parser.on('file', (name, stream, info) => {
        stream.on('error', () => {}) // reported by the parser
        const { filename, mimeType } = info as { filename: string | undefined; mimeType: string }
        // Parts of the same packet as the failure still arrive, and their streams would never end.
        if (failed || !names.files.includes(name)) {
          stream.resume()
          if (names.fields.includes(name)) fail(notAField(name))
          else if (!failed && form.skipped.length < mostSkipped) form.skipped.push(name)
          return
        }
        current.add(stream)
        stream.on('limit', () => fail(fileTooLarge(limits.maxFileBytes)))
        stored = stored.then(() => keep(stream, filename, mimeType))
        stored.then(() => current.delete(stream), fail)
      })
      parser.on('filesLimit', () =>
        fail(invalidField(['body', 'files'], `At most ${limits.maxFiles} files may be sent at once`, 'too_many')),
      )
      parser.on('fieldsLimit', () =>
        fail(invalidField(['body'], `At most ${maxFields} fields may be sent`, 'too_many')),
      )
      parser.on('error', (error) => fail(notMultipart(error)))
      parser.on('close', () => {
        settle()
        stored.then(resolve, reject)
      })
      body.on('data', onData)
      body.on('close', () => {
        if (!body.readableEnded) fail(bodyCutOff())
      })
      if (body.destroyed && !body.readableEnded) fail(bodyCutOff())
      else body.pipe(parser)
    })
    return form
  } catch (error) {
    await stored.catch(() => {})
    await sink.remove(form.files.map((file) => file.object)).catch(() => {})
    throw error
  }
}
