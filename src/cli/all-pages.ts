import { isDeepStrictEqual } from 'node:util'
import { AppError } from '../lib/errors.ts'

/** Items of a list that are read; a server that sends more never ends. */
const mostItems = 100_000

/** Reads every item of a list with skip and limit, page by page until one is not full. */
export const allPages = async <Item>(
  size: number,
  read: (page: { skip: number; limit: number }) => Promise<Item[]>,
): Promise<Item[]> => {
  const items: Item[] = []
  for (let first: unknown; ; ) {
    const page = await read({ skip: items.length, limit: size })
    // Some servers know no `skip`: their list is what they answered at first.
    if (items.length > 0 && isDeepStrictEqual(page[0], first)) return items
    first = page[0]
    items.push(...page)
    if (page.length < size) return items
    if (items.length > mostItems) throw new AppError('too_large', `The list has more than ${mostItems} entries`)
  }
}
