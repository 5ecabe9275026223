import { AppError } from '../lib/errors.ts'
import { parsedJson } from '../lib/json/json-object.ts'
import type { Pieces } from '../lib/slices.ts'

/** A part of a form, by the positions of its bytes. */
interface FormPart {
  name: string
  isFile: boolean
  type: string
  /** First byte of its headers. */
  start: number
  bodyStart: number
  bodyEnd: number
}

/** A multipart form that is held as the bytes that came, since most of it is passed on unchanged. */
export interface SentForm {
  bytes: Buffer
  /** The Content-Type of the request, with the boundary. */
  type: string
  boundary: string
  parts: readonly FormPart[]
}

const mostParts = 100
const mostHeaderBytes = 4 * 1024
const mostBlock = 64 * 1024

const bad = (problem: string): AppError =>
  new AppError('bad_request', `The body is not a form with a file: ${problem}`, {
    hint: 'Send multipart/form-data with the parts `file` and `model`: curl -F file=@speech.mp3 -F model=whisper-1.',
  })

const boundaryOf = (type: string): string => {
  if (!/^multipart\/form-data\b/i.test(type)) throw bad('its Content-Type is not multipart/form-data')
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(type) ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) throw bad('its Content-Type has no boundary')
  return boundary
}

const partOf = (bytes: Buffer, start: number, headersEnd: number, bodyEnd: number): FormPart => {
  const headers = bytes.toString('utf8', start, headersEnd)
  const name = /^content-disposition:[^\r\n]*[;\s]name="([^"\r\n]*)"/im.exec(headers)?.[1]
  if (name === undefined) throw bad('a part has no name')
  const isFile = /^content-disposition:[^\r\n]*[;\s]filename\*?=/im.test(headers)
  const type = /^content-type:\s*([\w.+-]+\/[\w.+-]+)/im.exec(headers)?.[1] ?? 'application/octet-stream'
  return { name, isFile, type, start, bodyStart: headersEnd + 4, bodyEnd }
}

/** Finds the parts of a multipart body. Throws `bad_request` for anything else. */
export function* readForm(bytes: Buffer, type = ''): Pieces<SentForm> {
  const boundary = boundaryOf(type)
  const delimiter = Buffer.from(`--${boundary}`)
  const following = Buffer.from(`\r\n--${boundary}`)
  const parts: FormPart[] = []
  let at = bytes.indexOf(delimiter)
  if (at === -1) throw bad('its boundary does not occur in it')
  at += delimiter.length
  while (bytes.toString('latin1', at, at + 2) !== '--') {
    const start = at + 2
    const headersEnd = bytes.indexOf('\r\n\r\n', start)
    if (bytes.toString('latin1', at, start) !== '\r\n' || headersEnd === -1) throw bad('it breaks off')
    if (headersEnd - start > mostHeaderBytes) throw bad('the headers of a part are too long')
    if (parts.length === mostParts) throw bad(`it has more than ${mostParts} parts`)
    const bodyEnd = bytes.indexOf(following, headersEnd + 4)
    if (bodyEnd === -1) throw bad('it breaks off')
    parts.push(partOf(bytes, start, headersEnd, bodyEnd))
    at = bodyEnd + following.length
    yield
  }
  return { bytes, type, boundary, parts }
}

const textOf = ({ bytes }: SentForm, { bodyStart, bodyEnd }: FormPart): string =>
  bytes.toString('utf8', bodyStart, bodyEnd)

const base64Bytes = (bytes: number): number => 4 * Math.ceil(bytes / 3)

/** Memory that a form takes beside its bytes: its record as JSON, and one copy of that. */
export const bytesBesideForm = ({ length }: Buffer): number => 2 * base64Bytes(length)

/** Bytes that are written as base64 at once, a multiple of three: 10 ms of work, and no second copy of the file. */
const base64Step = 3 * 1024 * 1024

/** A file as a data URI in JSON: of base64 no JSON has to be made. */
function* fileUri({ bytes }: SentForm, { type, bodyStart, bodyEnd }: FormPart): Pieces<Buffer> {
  const before = `"data:${type};base64,`
  const uri = Buffer.allocUnsafe(before.length + base64Bytes(bodyEnd - bodyStart) + 1)
  let at = uri.write(before, 'latin1')
  for (let start = bodyStart; start < bodyEnd; start += base64Step) {
    at += uri.write(bytes.toString('base64', start, Math.min(bodyEnd, start + base64Step)), at, 'latin1')
    yield
  }
  uri.write('"', at, 'latin1')
  return uri
}

/** The field as JSON text. */
function* fieldPieces(form: SentForm, part: FormPart): Pieces<Buffer> {
  if (part.isFile) return yield* fileUri(form, part)
  const text = textOf(form, part)
  if (part.name === 'stream') return Buffer.from(String(text.trim().toLowerCase() === 'true'))
  if (part.name !== 'jetty') return Buffer.from(JSON.stringify(text))
  if (text.length > mostBlock) throw bad('the part `jetty` is too long')
  if (parsedJson(text) === undefined) throw bad('the part `jetty` is not JSON')
  return Buffer.from(text)
}

const comma = Buffer.from(',')

const listed = (fields: readonly Buffer[]): Buffer =>
  Buffer.concat([
    Buffer.from('['),
    ...fields.flatMap((field, at) => (at === 0 ? [field] : [comma, field])),
    Buffer.from(']'),
  ])

/** The form as the JSON of its record, in which files are data URIs: the record makes files of the run of them. */
export function* formAsJson(form: SentForm): Pieces<Buffer> {
  const members = new Map<string, Buffer[]>()
  for (const part of form.parts) {
    const field = yield* fieldPieces(form, part)
    yield
    members.set(part.name, part.name.endsWith('[]') ? [...(members.get(part.name) ?? []), field] : [field])
  }
  const written = [...members].flatMap(([name, fields], at) => [
    Buffer.from(`${at === 0 ? '{' : ','}${JSON.stringify(name)}:`),
    name.endsWith('[]') ? listed(fields) : Buffer.concat(fields),
  ])
  return Buffer.concat([...written, Buffer.from(members.size === 0 ? '{}' : '}')])
}

/** The form for a provider: with its own name for the model, and without the part meant for this server. */
export const formFor = (form: SentForm, model: string): Buffer => {
  const { bytes, boundary, parts } = form
  const isSame = parts.every((part) => part.name !== 'jetty' && (part.name !== 'model' || textOf(form, part) === model))
  if (isSame) return bytes
  const pieces = parts
    .filter(({ name }) => name !== 'jetty')
    .flatMap(({ name, start, bodyStart, bodyEnd }) => [
      Buffer.from(`--${boundary}\r\n`),
      bytes.subarray(start, bodyStart),
      name === 'model' ? Buffer.from(model) : bytes.subarray(bodyStart, bodyEnd),
      Buffer.from('\r\n'),
    ])
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)])
}
