import { z } from 'zod'
import { AppError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json/json-object.ts'
import type { Json, OutgoingResponse } from '../activity.ts'
import { shownUrl } from './send.ts'

const memberPath = z.string().min(1).max(500)
const bounds = {
  items: memberPath.optional(),
  max_pages: z.number().int().min(1).max(1_000).default(10),
  max_items: z.number().int().min(1).max(100_000).default(10_000),
}
const queryName = z.string().min(1).max(200)

/** How the next page is found, where its items are, and when it is enough. */
export const paginationSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('link'), ...bounds }),
  z.strictObject({ type: z.literal('cursor'), cursor: memberPath, param: queryName.default('cursor'), ...bounds }),
  z.strictObject({
    type: z.literal('page'),
    param: queryName.default('page'),
    start: z.number().int().min(0).default(1),
    step: z.number().int().min(1).max(100_000).default(1),
    ...bounds,
  }),
])
export type Pagination = z.infer<typeof paginationSchema>

/** A value in JSON by the names of members, as in `data.items`; undefined if there is none. */
const memberAt = (value: Json, path: string): Json =>
  path
    .split('.')
    .reduce<Json>(
      (from, name) =>
        (isObject(from) || Array.isArray(from)) && Object.hasOwn(from, name)
          ? (from as Record<string, Json>)[name]
          : undefined,
      value,
    )

/** The items of a page. Throws if there is no list. */
export const pageItems = (body: Json, { items }: Pagination, url: string): Json[] => {
  const found = items === undefined ? body : memberAt(body, items)
  if (Array.isArray(found)) return found
  const where = items === undefined ? 'The response' : `'${items}' in the response`
  throw new AppError('upstream_failed', `${where} of ${shownUrl(url)} is not a list`, {
    hint: 'Set pagination.items to the member that holds the list, for example data.items.',
  })
}

/** The target of rel="next" in a Link header (RFC 8288); undefined without one. */
export const nextLink = (header: string | undefined): string | undefined => {
  const entry = /<([^<>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:"[^"]*"|[^\s";,]*))?)*)/g
  for (const [, target, parameters = ''] of (header ?? '').slice(0, 16_384).matchAll(entry)) {
    const rel = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s";,]+))/i.exec(parameters)
    if ((rel?.[1] ?? rel?.[2] ?? '').toLowerCase().split(/\s+/).includes('next')) return target
  }
  return undefined
}

const withParameter = (url: string, name: string, value: string): string => {
  const next = new URL(url)
  next.searchParams.set(name, value)
  return next.href
}

/** The first page's URL. The request names the fault of a URL that is none. */
export const firstPage = (url: string, pagination: Pagination): string =>
  pagination.type === 'page' && URL.canParse(url) ? withParameter(url, pagination.param, String(pagination.start)) : url

const cursorPage = (url: string, cursor: Json, param: string): string | undefined => {
  if (typeof cursor === 'number') return withParameter(url, param, String(cursor))
  if (typeof cursor !== 'string' || cursor === '') return undefined
  return /^https?:\/\//i.test(cursor) ? cursor : withParameter(url, param, cursor)
}

/**
 * The URL of the page after this one; undefined after the last. Throws if it leads to another origin, which would get
 * the credential.
 */
export const nextPage = (
  url: string,
  pagination: Pagination,
  { answer, body, page, count }: { answer: OutgoingResponse; body: Json; page: number; count: number },
): string | undefined => {
  const found = () => {
    if (pagination.type === 'link') return nextLink(answer.headers.link)
    if (pagination.type === 'cursor') return cursorPage(url, memberAt(body, pagination.cursor), pagination.param)
    const number = pagination.start + page * pagination.step
    return count === 0 ? undefined : withParameter(url, pagination.param, String(number))
  }
  const next = found()
  if (next === undefined) return undefined
  if (URL.canParse(next, url) && new URL(next, url).origin === new URL(url).origin) return new URL(next, url).href
  throw new AppError('upstream_failed', `The next page of ${shownUrl(url)} is at another host, which is not called`, {
    hint: 'Request the pages of that host in a step of their own.',
  })
}
