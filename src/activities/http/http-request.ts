import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { sanitizeFileName } from '../../lib/files/file-names.ts'
import { essenceOf, extensionFor, extensionOf, isTextFile } from '../../lib/files/media-type.ts'
import { isDeeperThan, maxJsonDepth } from '../../lib/json/json-text.ts'
import { parsedMemory } from '../../lib/memory/json-memory.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { mediaObjectSchema } from '../../model/gateway/media-object.ts'
import { type ActivityContext, activity, type Json, type MediaObject, type OutgoingResponse } from '../activity.ts'
import { type Auth, authSchema } from './auth.ts'
import { headersSchema, headerValue } from './headers.ts'
import { firstPage, nextPage, type Pagination, pageItems, paginationSchema } from './pagination.ts'
import { requestBody, requestFaults, requireGet } from './request-body.ts'
import { isIdempotent, type PreparedRequest, send, shownUrl } from './send.ts'

type ResponseKind = 'auto' | 'json' | 'text' | 'file'

/** With `auto` a larger response becomes a file: outputs are read again by every later step. */
const inlineBytes = 1024 * 1024

/** More than that in one value would keep the server from other work while it is read. */
const mostValueBytes = 32 * 1024 * 1024

interface ReadResponse {
  body: Json
  file: MediaObject | null
}

const isJson = (type: string): boolean => type === 'application/json' || type.endsWith('+json')

const parseJson = async (text: string, from: string, context: ActivityContext): Promise<Json> => {
  if (isDeeperThan(text, maxJsonDepth)) {
    throw new AppError('upstream_failed', `The JSON of ${from} is nested deeper than ${maxJsonDepth} levels`, {
      hint: 'Set response to file, and read the file with a program that expects it.',
    })
  }
  await context.room(parsedMemory(text))
  try {
    return JSON.parse(text)
  } catch {
    const shown = text.trim().slice(0, 200)
    throw new AppError('upstream_failed', `The response of ${from} is not JSON: ${shown || 'it is empty'}`, {
      hint: 'Set response to text, or check that the URL is that of an API and not of a page.',
    })
  }
}

const nameIn = (disposition: string): string | undefined => {
  const encoded = /filename\*\s*=\s*utf-8''([^;\s]+)/i.exec(disposition)?.[1]
  if (encoded !== undefined) {
    try {
      return decodeURIComponent(encoded)
    } catch {
      // A stray percent sign: the plain name is used.
    }
  }
  return /filename\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s]+)/i.exec(disposition)?.[1]?.replace(/^"|"$/g, '')
}

/** The name that the response gives the file, or the last segment of its URL, with the extension of its type. */
const fileName = (answer: OutgoingResponse, type: string): string => {
  const named =
    nameIn(answer.headers['content-disposition'] ?? '') ?? new URL(answer.url).pathname.split('/').pop() ?? ''
  const name = named === '' ? 'response' : sanitizeFileName(named)
  const extension = extensionFor(type)
  return extensionOf(name) === '' && extension !== undefined ? `${name}.${extension}` : name
}

/** Makes the outputs of a response: a value, a text, or a file. */
const readResponse = async (
  answer: OutgoingResponse,
  kind: ResponseKind,
  context: ActivityContext,
): Promise<ReadResponse> => {
  const bytes = await answer.bytes()
  const type = essenceOf(answer.headers['content-type'] ?? '')
  const from = answer.url.split('?', 1)[0] ?? ''
  if (bytes.length === 0 && kind !== 'file' && kind !== 'json') return { body: null, file: null }
  const isText = isTextFile(type || 'application/octet-stream', bytes.subarray(0, 8 * 1024))
  if ((kind === 'json' || kind === 'text') && bytes.length > mostValueBytes) {
    throw new AppError(
      'too_large',
      `The response of ${from} has ${byteSize(bytes.length)}; as ${kind === 'json' ? 'JSON' : 'a text'} it may have ${byteSize(mostValueBytes)}`,
      { hint: 'Set response to file, or request less.' },
    )
  }
  const isTooLarge = kind === 'auto' && bytes.length > inlineBytes
  if (kind === 'json' || (kind === 'auto' && isJson(type) && !isTooLarge)) {
    return { body: await parseJson(await answer.text(), from, context), file: null }
  }
  if (kind === 'text' || (kind === 'auto' && isText && !isTooLarge)) {
    return { body: await answer.text(), file: null }
  }
  if (isTooLarge && isText) {
    context.warn(`The response has ${byteSize(bytes.length)}, more than ${byteSize(inlineBytes)}: it is kept as a file`)
  }
  const contentType = type || 'application/octet-stream'
  const file = await context.files.save({
    name: fileName(answer, contentType),
    content_type: contentType,
    body: bytes,
    scrub: true,
  })
  return { body: null, file }
}

const mebibyte = 1024 * 1024

/** Values that become texts: null has none, and to leave it out would send another request than the written one. */
const values = z.record(
  z.string(),
  z
    .unknown()
    .refine((value) => ![value].flat().includes(null), 'it is null: end its path with a question mark to leave it out'),
)

/** Parameters of `http_request`. */
const requestParameters = z.object({
  url: z
    .string()
    .min(1)
    .describe('http or https URL.')
    .meta({ aliases: ['uri', 'endpoint'] }),
  method: z
    .string()
    .regex(/^[A-Za-z]{1,20}$/, 'a method is a word such as GET or POST')
    .refine((method) => !/^(connect|trace)$/i.test(method), 'CONNECT and TRACE are not supported')
    .optional()
    .describe('Method; default: POST with a body, otherwise GET.')
    .meta({ aliases: ['request_method', 'requestMethod', 'http_method', 'verb'] }),
  query: values
    .optional()
    .describe('Query parameters that are added to the URL; a list repeats its parameter.')
    .meta({ aliases: ['params', 'query_params', 'queryParameters', 'qs', 'search_params'] }),
  headers: headersSchema
    .optional()
    .describe('Headers by name. A value from the environment: "X-Api-Key_path": "env.KEY".')
    .meta({ aliases: ['headerParameters', 'header_parameters'] }),
  auth: authSchema
    .optional()
    .describe(
      'Credential: {type: bearer, token}, {type: basic, username, password}, or {type: header or query, name, value}; usually from the environment, as in "token_path": "env.API_TOKEN". Recorded as ***.',
    )
    .meta({ aliases: ['authentication', 'authorization'] }),
  body: z
    .unknown()
    .optional()
    .describe('Body: a text is sent as it is, any other value as JSON.')
    .meta({ aliases: ['json', 'data', 'payload', 'jsonBody', 'json_body', 'rawBody', 'raw_body'] }),
  form: values
    .optional()
    .describe('Fields of a form, sent URL-encoded, or as multipart/form-data together with files.')
    .meta({ aliases: ['form_data', 'formData', 'bodyParameters'] }),
  files: z.record(z.string(), z.string()).optional().describe('Files of a multipart form: field name to storage path.'),
  body_file: z.string().optional().describe('Storage path of a file that is sent as the body.'),
  response: z
    .enum(['auto', 'json', 'text', 'file'])
    .default('auto')
    .describe('Form of the result: json, text, file, or auto: by the content type, and a file above 1 MiB.')
    .meta({ aliases: ['response_format', 'responseFormat', 'response_type', 'responseType'] }),
  expect_status: z
    .array(z.union([z.number().int().min(100).max(599), z.string().regex(/^[1-5](xx|\d\d)$/)]))
    .min(1)
    .default(['2xx'])
    .describe('Statuses that do not fail the step: numbers, or classes such as "2xx".')
    .meta({ input: 'list' }),
  idempotency_key: z
    .union([z.boolean(), headerValue.min(1).max(255)])
    .optional()
    .describe('true sends the key of this step as Idempotency-Key, a text sends that: POST and PATCH are then retried.')
    .meta({ aliases: ['idempotencyKey'] }),
  pagination: paginationSchema
    .optional()
    .describe(
      'Follows the pages of a list. {type: link} uses the Link header, {type: cursor, cursor: "next_cursor", param} a member of the response, {type: page, param, start, step} counts. Also items (the member with the list), max_pages (10), max_items (10,000).',
    ),
  follow_redirects: z
    .boolean()
    .default(true)
    .describe('Follows up to five redirects. Another origin gets neither auth nor your headers.')
    .meta({ aliases: ['followRedirects', 'followRedirect'] }),
  redirect_without_body: z
    .boolean()
    .default(false)
    .describe(
      'Follows a redirect to another origin without the body. Otherwise one that would send it there is an error.',
    ),
  request_timeout_sec: z.number().positive().max(3_600).default(60).describe('Timeout of one request, in seconds.'),
  max_bytes: z
    .number()
    .int()
    .min(1)
    .max(256 * mebibyte)
    .default(32 * mebibyte)
    .describe('Maximum size of the response, or of all pages together. JSON and texts have at most 32 MiB each.'),
})

/** Outputs of `http_request`. */
const responseOutputs = z.object({
  status_code: z.number().int().describe('HTTP status; with pagination that of the last page.'),
  headers: z.record(z.string(), z.string()).describe('Response headers in lower case, without Set-Cookie.'),
  url: z.string().describe('Final URL, after redirects.'),
  body: z.unknown().describe('The response as JSON or text; null if it is empty, a file, or has pages.'),
  file: mediaObjectSchema.nullable().describe('The response as a stored file; null otherwise.'),
  items: z.array(z.unknown()).describe('Items of all pages; empty without pagination.'),
  pages: z.number().int().describe('Number of pages read.'),
  next_url: z.string().nullable().describe('Next page, if a bound ended the pagination; null otherwise.'),
})

interface ReadPages {
  items: Json[]
  pages: number
  /** The page that comes next, where a bound ended it before the last. */
  next: string | null
  last: OutgoingResponse
}

/** Requests one page after the other until there is none, or a bound is reached. */
const readPages = async (
  url: string,
  request: PreparedRequest,
  { pagination, maxBytes }: { pagination: Pagination; maxBytes: number },
  context: ActivityContext,
): Promise<ReadPages> => {
  const items: Json[] = []
  const seen = new Set<string>()
  let bytes = 0
  let at: string | undefined = firstPage(url, pagination)
  for (;;) {
    if (seen.has(at)) throw repeated(at)
    seen.add(at)
    if (bytes >= maxBytes) throw tooMuch(at, maxBytes)
    const last: OutgoingResponse = await send(at, request, maxBytes - bytes, context)
    bytes += (await last.bytes()).length
    const { body } = await readResponse(last, 'json', context)
    const found = pageItems(body, pagination, at)
    const room = pagination.max_items - items.length
    items.push(...(found.length > room ? found.slice(0, room) : found))
    const next = nextPage(at, pagination, { answer: last, body, page: seen.size, count: found.length })
    const isCut = found.length > room
    if (next === undefined && !isCut) return { items, pages: seen.size, next: null, last }
    if (isCut || items.length >= pagination.max_items || seen.size >= pagination.max_pages) {
      context.warn(`There are more than ${seen.size} pages or ${items.length} items: pagination ends here`)
      return { items, pages: seen.size, next: (isCut ? at : next) ?? null, last }
    }
    at = next as string
  }
}

const repeated = (url: string): AppError =>
  new AppError('upstream_failed', `The pages of ${shownUrl(url)} lead back to one that was read already`, {
    hint: 'Check pagination: the API may expect another parameter for the next page.',
  })

const tooMuch = (url: string, maxBytes: number): AppError =>
  new AppError('too_large', `The pages of ${shownUrl(url)} have more than ${byteSize(maxBytes)} together`, {
    hint: 'Set pagination.max_pages lower, or raise max_bytes.',
  })

/** The URL with its query parameters. */
const withQuery = (url: string, query: Record<string, unknown>): string => {
  if (!URL.canParse(url)) return url // the request names the fault
  const target = new URL(url)
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined)
        target.searchParams.append(name, typeof one === 'object' ? JSON.stringify(one) : String(one))
    }
  }
  return target.href
}

const prepare = async (
  given: z.output<typeof requestParameters>,
  context: ActivityContext,
): Promise<PreparedRequest> => {
  const body = await requestBody(given, context)
  const method = (given.method ?? (body === undefined ? 'GET' : 'POST')).toUpperCase()
  const headers = Object.fromEntries(
    Object.entries(given.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
  )
  const key = given.idempotency_key === true ? context.idempotencyKey : given.idempotency_key
  if (key) headers['idempotency-key'] = key
  const mayRepeat = isIdempotent(method) || headers['idempotency-key'] !== undefined
  if (given.pagination) requireGet(method)
  return {
    method,
    headers,
    body,
    auth: given.auth,
    expectStatus: given.expect_status,
    timeoutSeconds: given.request_timeout_sec,
    followRedirects: given.follow_redirects,
    redirectWithoutBody: given.redirect_without_body,
    mayRepeat,
  }
}

/** Refuses to send a request again that may have been received before a crash. */
const beginOnce = async ({ method, mayRepeat }: PreparedRequest, context: ActivityContext): Promise<void> => {
  if (mayRepeat) return
  if (context.step.interrupted) {
    throw new AppError('upstream_failed', `The process ended during a ${method}, which may have been received`, {
      hint: 'Check the receiver, then rerun from this step. With idempotency_key the request is repeated by itself.',
    })
  }
  await context.recordStart()
}

/** A URL to record: without the credential that the query may carry. */
const withoutCredential = (url: string, auth: Auth | undefined): string => {
  if (auth?.type !== 'query') return url
  const recorded = new URL(url)
  recorded.searchParams.delete(auth.name)
  return recorded.href
}

/** Headers to record: Link and Location often repeat the query, and the credential in it. */
const shownHeaders = (headers: Record<string, string>, auth: Auth | undefined): Record<string, string> => {
  const { 'set-cookie': _, ...shown } = headers
  if (auth?.type !== 'query') return shown
  const name = encodeURIComponent(auth.name)
  const written = [new URLSearchParams({ [auth.name]: auth.value }).toString(), `${name}=${auth.value}`]
  const pairs = [...written, `${name}=${encodeURIComponent(auth.value)}`]
  const struck = (text: string) => pairs.reduce((rest, pair) => rest.replaceAll(pair, `${name}=***`), text)
  return Object.fromEntries(Object.entries(shown).map(([header, value]) => [header, struck(value)]))
}

const about = ({ status, headers, url }: OutgoingResponse, auth: Auth | undefined) => {
  const shown = shownHeaders(headers, auth)
  return { status_code: status, headers: shown, url: withoutCredential(url, auth) }
}

/** Whether a method changes nothing at the service (RFC 9110, 9.2.1). */
const isReading = (method: unknown): boolean =>
  ['GET', 'HEAD', 'OPTIONS'].includes(String(method ?? 'GET').toUpperCase())

/** Sends an HTTP request, and reads its response or all pages of it. */
export const httpRequest = activity({
  name: 'http_request',
  category: 'data',
  description: 'Sends an HTTP request and returns the response as JSON, text or a file, or the items of all its pages.',
  parameters: requestParameters,
  outputs: responseOutputs,
  example: {
    activity: 'http_request',
    url: 'https://api.example.com/orders',
    query: { status: 'open', limit: 100 },
    auth: { type: 'bearer', token_path: 'env.API_TOKEN' },
    pagination: { type: 'link', max_pages: 20 },
  },
  nested: ['query', 'headers', 'auth', 'body', 'form', 'files', 'pagination'],
  secret: ['auth'],
  effects: ({ method }) => (isReading(method) ? 'reads' : 'writes'),
  findFaults: requestFaults,
  alsoCalled: ['fetch', 'http', 'request', 'get', 'post', 'api', 'api_call', 'rest', 'http_get', 'http_post', 'curl'],
  gotchas: [
    'In body, headers, query, form and auth a name that ends in _path is a reference: "id_path": "make.outputs.id". To send such a name, build the body in a step before and use body_path.',
    'A reference that leads to nothing fails the step before it sends anything; with a question mark at its end, as in init_params.page?, it is left out.',
    'Statuses 408, 425, 429, 500, 502, 503 and 504 and network errors are retried, after the time in Retry-After. POST and PATCH are retried only with idempotency_key, also after a crash.',
    'Private addresses are refused unless JETTY_ALLOW_PRIVATE_NETWORK lists them.',
    'A redirect to another origin gets neither auth nor your headers, nor the body. The next page must be at the same origin.',
    'Values of the environment are struck out of the response too.',
  ],
  async run(given, context) {
    const request = await prepare(given, context)
    const url = withQuery(given.url, given.query ?? {})
    await beginOnce(request, context)
    if (given.pagination) {
      const { items, pages, next, last } = await readPages(
        url,
        request,
        { pagination: given.pagination, maxBytes: given.max_bytes },
        context,
      )
      const next_url = next === null ? null : withoutCredential(next, given.auth)
      return { ...about(last, given.auth), body: null, file: null, items, pages, next_url }
    }
    const answer = await send(url, request, given.max_bytes, context)
    const read = await readResponse(answer, given.response, context)
    return { ...about(answer, given.auth), ...read, items: [], pages: 1, next_url: null }
  },
})
