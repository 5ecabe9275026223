import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { invalidField } from '../../lib/errors.ts'
import type { Endpoint } from '../endpoint.ts'
import { decodeText, type JsonReading, parseJson, readBytes } from './body.ts'
import type { Room } from './memory.ts'
import { type FileSink, type FormLimits, type PartNames, type ReceivedFile, readMultipart } from './multipart.ts'
import { badEncoding, fieldTooLarge } from './multipart-errors.ts'

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
