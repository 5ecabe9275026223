import { isObject } from '../json/json-object.ts'
import { linearRegex } from '../regex/linear-regex.ts'
import { makeGuesses } from '../text/nearest.ts'
import { checkedKeywords, jsonTypes } from './json-schema.ts'
import { findReferred, isLocalReference } from './schema-references.ts'

/** Keywords that describe a value to people and forms. */
const annotations = new Set([
  ...['$schema', '$id', '$comment', 'title', 'description', 'default', 'examples', 'format', 'deprecated'],
  ...['readOnly', 'writeOnly', 'contentMediaType'],
])
const definitions = new Set(['$defs', 'definitions'])

const mostVisited = 1_000

interface Keyword {
  keyword: string
  value: unknown
  /** Its path in the schema. */
  inside: (string | number)[]
}

/** A keyword of a schema that the server does not check, and its path in the schema. */
interface UncheckedKeyword {
  keyword: string
  inside: (string | number)[]
  /** Why, where the keyword itself could be checked. */
  why?: string
  /** Nothing could fit it, or it means nothing: the schema is wrong. */
  isWrong?: boolean
}

const mostKeywords = 20_000

/** Lists the keywords of a schema and of the schemas in it: at most those of a thousand, and 20,000 in all. */
const keywordsOf = (schema: Record<string, unknown>): Keyword[] => {
  const found: Keyword[] = []
  const open: { schema: unknown; inside: (string | number)[] }[] = [{ schema, inside: [] }]
  for (let visited = 0; visited < mostVisited; visited++) {
    const next = open.pop()
    if (!next || found.length > mostKeywords) break
    if (!isObject(next.schema)) continue
    for (const [keyword, value] of Object.entries(next.schema)) {
      const inside = [...next.inside, keyword]
      found.push({ keyword, value, inside })
      if ((keyword === 'properties' || definitions.has(keyword)) && isObject(value)) {
        for (const [name, one] of Object.entries(value)) open.push({ schema: one, inside: [...inside, name] })
      } else if (Array.isArray(value) && /^(any|one|all)Of$/.test(keyword)) {
        for (const [index, one] of value.entries()) open.push({ schema: one, inside: [...inside, index] })
      } else if (keyword === 'items' || keyword === 'additionalProperties') open.push({ schema: value, inside })
    }
  }
  return found
}

const isUnchecked = ({ keyword }: Keyword): boolean =>
  !checkedKeywords.has(keyword) && !annotations.has(keyword) && !keyword.startsWith('x-')

/** Lists the keywords of a schema that have no effect in `schemaIssues`. */
export const uncheckedKeywords = (schema: Record<string, unknown>): UncheckedKeyword[] =>
  keywordsOf(schema)
    .filter(isUnchecked)
    .map(({ keyword, inside }) => ({ keyword, inside }))

const mostWords = 20

/** A type that is none: the checker takes it for no type, and anything would fit. */
const typeFault = (value: unknown): { why: string } | undefined => {
  const words = (Array.isArray(value) ? value : [value]).slice(0, mostWords)
  const wrong = words.find((word) => !jsonTypes.has(word as string))
  if (wrong === undefined) return undefined
  const shown = typeof wrong === 'string' ? `'${wrong.slice(0, 40)}'` : 'this'
  const meant = typeof wrong === 'string' ? makeGuesses(1)(wrong, [...jsonTypes]) : undefined
  return {
    why: `${shown} is no type${meant ? `, did you mean '${meant}'?` : `; types are ${[...jsonTypes].join(', ')}`}`,
  }
}

/** Characters and instructions of the patterns of one schema that are compiled for a check: 10 ms. */
const mostPatterns = 50_000
/** What a pattern takes that cannot be compiled. */
const sizeOfWrong = 1_000

const faultOf = (
  { keyword, value }: Keyword,
  root: unknown,
  patterns: { left: number },
): { why?: string; isWrong?: boolean } | undefined => {
  if (keyword === 'pattern' && typeof value === 'string') {
    if (patterns.left <= 0) return { why: 'the patterns of the schema are too many to be looked at' }
    const made = linearRegex(value)
    patterns.left -= 'test' in made ? made.size : sizeOfWrong + value.length
    if ('invalid' in made) return { why: made.invalid, isWrong: true }
    return 'unsupported' in made ? { why: made.unsupported } : undefined
  }
  if (keyword === '$ref' && typeof value === 'string') {
    if (findReferred(root, value)) return undefined
    if (isLocalReference(value)) return { why: `the schema has nothing at ${value}`, isWrong: true }
    return { why: 'it leads out of the schema' }
  }
  return definitions.has(keyword) ? undefined : {}
}

/** Lists the types of a schema that are none, with the reason. */
export const misspeltTypes = (schema: Record<string, unknown>): (Pick<Keyword, 'inside'> & { why: string })[] =>
  keywordsOf(schema).flatMap(({ keyword, value, inside }) => {
    const fault = keyword === 'type' ? typeFault(value) : undefined
    return fault ? [{ inside, why: fault.why }] : []
  })

/** Lists the keywords of a schema that have no effect in a `SchemaChecker`, or make the schema wrong. */
export const uncheckedByChecker = (schema: Record<string, unknown>): UncheckedKeyword[] => {
  const patterns = { left: mostPatterns }
  return keywordsOf(schema)
    .filter(isUnchecked)
    .flatMap((one) => {
      const fault = faultOf(one, schema, patterns)
      return fault ? [{ keyword: one.keyword, inside: one.inside, ...fault }] : []
    })
}
