import { isObject } from './json-object.ts'
import { checkedKeywords } from './json-schema.ts'

/** Keywords that describe a value to people and forms. */
const annotations = new Set([
  ...['$schema', '$id', '$comment', 'title', 'description', 'default', 'examples', 'format', 'deprecated'],
  ...['readOnly', 'writeOnly', 'contentMediaType'],
])

const mostVisited = 1_000

/** A keyword of a schema that the server does not check, and its path in the schema. */
interface UncheckedKeyword {
  keyword: string
  inside: (string | number)[]
}

/** Lists the keywords of a schema that have no effect. */
export const uncheckedKeywords = (schema: Record<string, unknown>): UncheckedKeyword[] => {
  const found: UncheckedKeyword[] = []
  const open: { schema: unknown; inside: (string | number)[] }[] = [{ schema, inside: [] }]
  for (let visited = 0; visited < mostVisited; visited++) {
    const next = open.pop()
    if (!next) break
    if (!isObject(next.schema)) continue
    for (const [keyword, value] of Object.entries(next.schema)) {
      const inside = [...next.inside, keyword]
      if (!checkedKeywords.has(keyword) && !annotations.has(keyword) && !keyword.startsWith('x-')) {
        found.push({ keyword, inside })
      }
      if (keyword === 'properties' && isObject(value)) {
        for (const [name, one] of Object.entries(value)) open.push({ schema: one, inside: [...inside, name] })
      } else if (Array.isArray(value) && /^(any|one|all)Of$/.test(keyword)) {
        for (const [index, one] of value.entries()) open.push({ schema: one, inside: [...inside, index] })
      } else if (keyword === 'items' || keyword === 'additionalProperties') open.push({ schema: value, inside })
    }
  }
  return found
}
