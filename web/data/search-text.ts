/** Search parameters of a page: a name that occurs more than once is a list. */
type SearchParameters = Record<string, string | string[]>

/** Reads `?status=failed&label=a&label=b`. */
export const parseSearch = (text: string): SearchParameters => {
  const found = new Map<string, string[]>()
  for (const [name, value] of new URLSearchParams(text)) found.set(name, [...(found.get(name) ?? []), value])
  return Object.fromEntries(
    [...found].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values]),
  )
}

/** Writes search parameters; what is undefined or an empty list is left out. */
export const searchText = (search: Record<string, unknown>): string => {
  const text = new URLSearchParams()
  for (const [name, value] of Object.entries(search)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null) text.append(name, String(one))
    }
  }
  const query = text.toString().replaceAll('%3A', ':').replaceAll('%2C', ',').replaceAll('%2F', '/')
  return query === '' ? '' : `?${query}`
}

/** The one value of a parameter; undefined where it is missing or empty. */
export const firstOf = (value: unknown): string | undefined => {
  const first = Array.isArray(value) ? value[0] : value
  return typeof first === 'string' && first !== '' ? first : undefined
}

/** All values of a parameter. */
export const allOf = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).filter((one) => typeof one === 'string' && one !== '')
