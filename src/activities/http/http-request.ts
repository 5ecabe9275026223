import type { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { type ActivityContext, activity, type OutgoingResponse } from '../activity.ts'
import type { Auth } from './auth.ts'
import { readPages } from './pages.ts'
import { requestBody, requestFaults, requireGet } from './request-body.ts'
import { requestParameters, responseOutputs } from './request-parameters.ts'
import { readResponse } from './response.ts'
import { isIdempotent, type PreparedRequest, send } from './send.ts'

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
