/** Reads every item of a list with skip and limit, page by page until one is not full. */
export const allPages = async <Item>(
  size: number,
  read: (page: { skip: number; limit: number }) => Promise<Item[]>,
): Promise<Item[]> => {
  const items: Item[] = []
  for (;;) {
    const page = await read({ skip: items.length, limit: size })
    items.push(...page)
    if (page.length < size) return items
  }
}
