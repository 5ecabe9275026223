import { randomBytes } from 'node:crypto'
import { AppError } from '../../lib/errors.ts'
import { isObject, parsedJson } from '../../lib/json/json-object.ts'
import { asText } from '../../lib/text/as-text.ts'
import type { ParameterFault, StepParameters } from '../../model/workflows/step-parameters.ts'
import type { ActivityContext } from '../activity.ts'

/** The parameters that make up a body; at most one kind of it may be given. */
interface BodyParameters {
  body?: unknown
  form?: Record<string, unknown> | undefined
  files?: Record<string, string> | undefined
  body_file?: string | undefined
}

export interface RequestBody {
  body: string | Uint8Array
  contentType: string
}

const textType = (text: string): string => {
  const value = /^\s*[[{]/.test(text) ? parsedJson(text) : undefined
  return isObject(value) || Array.isArray(value) ? 'application/json' : 'text/plain; charset=utf-8'
}

const pairsOf = (form: Record<string, unknown>): [string, string][] =>
  Object.entries(form).flatMap(([name, value]): [string, string][] =>
    (Array.isArray(value) ? value : [value]).flatMap((one): [string, string][] =>
      one === undefined ? [] : [[name, asText(one)]],
    ),
  )

/** Quotes and line breaks as browsers write them in a form: they would end the name. */
const quoted = (name: string): string =>
  name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('\0', '')

const multipart = async (
  form: Record<string, unknown>,
  files: Record<string, string>,
  context: ActivityContext,
): Promise<RequestBody> => {
  const boundary = `jetty-${randomBytes(16).toString('hex')}`
  const parts: Uint8Array[] = []
  const part = (head: string, content: string | Uint8Array) =>
    parts.push(Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`), Buffer.from(content), Buffer.from('\r\n'))
  for (const [name, value] of pairsOf(form)) part(`content-disposition: form-data; name="${quoted(name)}"`, value)
  for (const [name, path] of Object.entries(files)) {
    const file = await context.files.open(path)
    const disposition = `content-disposition: form-data; name="${quoted(name)}"; filename="${quoted(file.name)}"`
    part(`${disposition}\r\ncontent-type: ${file.content_type.replace(/[^\x20-\x7e]/g, '')}`, await file.bytes())
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`))
  return { body: Buffer.concat(parts), contentType: `multipart/form-data; boundary=${boundary}` }
}

const oneBody = 'A request has one body: give body, or form with files, or body_file'
const onlyGet = (method: string): string => `Pagination works with GET, not with ${method}`

/** Throws `parameter_invalid` for pages of a request that is no GET. */
export const requireGet = (method: string): void => {
  if (method !== 'GET') throw new AppError('parameter_invalid', onlyGet(method))
}

/** What is wrong with the written parameters of a request together. */
export const requestFaults = ({ literal, has }: StepParameters): ParameterFault[] => {
  const form = ['form', 'files'].find(has)
  const bodies = ['body', form, 'body_file'].filter((name) => name !== undefined && has(name))
  const faults: ParameterFault[] = []
  if (bodies.length > 1) faults.push({ parameter: bodies[1] ?? 'body', message: oneBody })
  if (!has('pagination') || (has('method') && typeof literal.method !== 'string')) return faults
  const method = String(literal.method ?? (bodies.length > 0 ? 'POST' : 'GET')).toUpperCase()
  return method === 'GET' ? faults : [...faults, { parameter: 'pagination', message: onlyGet(method) }]
}

/** The bytes of a request, and their type. Throws `parameter_invalid` if more than one kind of body is given. */
export const requestBody = async (
  { body, form, files, body_file }: BodyParameters,
  context: ActivityContext,
): Promise<RequestBody | undefined> => {
  const isForm = form !== undefined || files !== undefined
  if ([body !== undefined, isForm, body_file !== undefined].filter(Boolean).length > 1) {
    throw new AppError('parameter_invalid', oneBody)
  }
  if (files !== undefined) return multipart(form ?? {}, files, context)
  if (form !== undefined) {
    const text = new URLSearchParams(pairsOf(form)).toString()
    return { body: text, contentType: 'application/x-www-form-urlencoded' }
  }
  if (body_file !== undefined) {
    const file = await context.files.open(body_file)
    return { body: await file.bytes(), contentType: file.content_type }
  }
  if (body === undefined) return undefined
  return typeof body === 'string'
    ? { body, contentType: textType(body) }
    : { body: JSON.stringify(body), contentType: 'application/json' }
}
