import { AppError } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import type { ActivityContext, Json, OutgoingResponse } from '../activity.ts'
import { firstPage, nextPage, type Pagination, pageItems } from './pagination.ts'
import { readResponse } from './response.ts'
import { type PreparedRequest, send, shownUrl } from './send.ts'

interface ReadPages {
  items: Json[]
  pages: number
  /** The page that comes next, where a bound ended it before the last. */
  next: string | null
  last: OutgoingResponse
}

/** Requests one page after the other until there is none, or a bound is reached. */
export const readPages = async (
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
