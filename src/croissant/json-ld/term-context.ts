import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import { defaultBase, resolveIri } from './iri.ts'

/** What a context says about a key. `iri` is null for a key that the context switches off. */
export interface Term {
  iri: string | null
  /** `@id`, `@vocab`, `@json` or the IRI of a datatype. */
  coercion: string | undefined
  containers: ReadonlySet<string>
  /** The language of its texts; undefined leaves it to the context. */
  language: string | null | undefined
  /** Whether the term may stand before a colon. */
  prefix: boolean
}

/** A JSON-LD context that is in force at some place of a document. */
export interface TermContext {
  base: string
  vocabulary: string | null
  language: string | null
  terms: ReadonlyMap<string, Term>
  /** The keys that stand for each keyword: its aliases, and the keyword itself last. */
  keys: ReadonlyMap<string, readonly string[]>
}

const keywords = new Set('@graph @id @included @json @list @nest @none @reverse @set @type @value @language'.split(' '))
const notTerms = new Set('@vocab @version @import @protected @language @base @propagate'.split(' '))
const maxSteps = 30

/** Whether a text looks like a keyword that JSON-LD does not have; such keys are ignored. */
const isUnknownKeyword = (text: string): boolean => /^@[\p{L}\p{N}]/u.test(text) && !keywords.has(text)

/** The part before the colon and the part after it; nothing for a plain term or an IRI with `//`. */
const splitCompact = (text: string): [prefix: string, local: string] | undefined => {
  const colon = text.indexOf(':')
  if (colon < 0 || text.startsWith('//', colon + 1)) return undefined
  return [text.slice(0, colon), text.slice(colon + 1)]
}

const keysOf = (terms: ReadonlyMap<string, Term>): TermContext['keys'] =>
  new Map(
    [...keywords].map((keyword) => {
      const aliases = [...terms].filter(([, term]) => term.iri === keyword).map(([name]) => name)
      return [keyword, [...aliases, keyword]]
    }),
  )

export const noContext: TermContext = {
  base: defaultBase,
  vocabulary: null,
  language: null,
  terms: new Map(),
  keys: keysOf(new Map()),
}

/** What a name stands for inside of the context that defines it, or in those before it. */
const definedIri = (context: TermContext, source: JsonObject, name: string): string | undefined => {
  const own = Object.hasOwn(source, name) ? source[name] : undefined
  const iri = isObject(own) ? own['@id'] : own
  if (typeof iri === 'string') return iri
  return own === undefined || own === null ? (context.terms.get(name)?.iri ?? undefined) : undefined
}

/** Expands the right side of a definition; null if its prefixes lead in a circle. */
const expandDefinition = (context: TermContext, source: JsonObject, text: string): string | null => {
  let current = text
  for (let step = 0; step < maxSteps; step++) {
    if (keywords.has(current)) return current
    const compact = splitCompact(current)
    let next: string
    if (compact) {
      const iri = definedIri(context, source, compact[0])
      if (iri === undefined) return current
      next = iri + compact[1]
    } else {
      next = current.includes('://') ? current : (definedIri(context, source, current) ?? current)
      if (!next.includes(':') && context.vocabulary !== null) return context.vocabulary + next
    }
    if (next === current) return current
    current = next
  }
  return null
}

const isPrefix = (iri: string | null): boolean => iri !== null && /[:/?#[\]@]$/.test(iri)

/** Reads a definition that is an object. */
const readDefinition = (context: TermContext, source: JsonObject, name: string, definition: JsonObject): Term => {
  const { '@id': id, '@type': type, '@container': container, '@language': language, '@prefix': prefix } = definition
  const from = typeof id === 'string' ? id : name.includes(':') ? name : undefined
  const expanded = from !== undefined ? expandDefinition(context, source, from) : undefined
  const iri = expanded ?? (from === undefined && context.vocabulary !== null ? context.vocabulary + name : null)
  const containers = (Array.isArray(container) ? container : [container]).filter((one) => typeof one === 'string')
  return {
    iri: id === null ? null : iri,
    coercion: typeof type === 'string' ? (expandType(context, source, type) ?? undefined) : undefined,
    containers: new Set(containers),
    language: typeof language === 'string' || language === null ? language : undefined,
    prefix: typeof prefix === 'boolean' ? prefix : isPrefix(iri),
  }
}

const expandType = (context: TermContext, source: JsonObject, type: string): string | null =>
  type === '@id' || type === '@vocab' ? type : expandDefinition(context, source, type)

const readTerm = (context: TermContext, source: JsonObject, name: string): Term => {
  const definition = source[name]
  if (isObject(definition)) return readDefinition(context, source, name, definition)
  const iri =
    typeof definition === 'string' && !isUnknownKeyword(definition)
      ? expandDefinition(context, source, definition)
      : null
  return { iri, coercion: undefined, containers: new Set(), language: undefined, prefix: isPrefix(iri) }
}

/** Adds the definitions of a context object to those in force. */
export const withDefinitions = (context: TermContext, source: JsonObject): TermContext => {
  const { '@vocab': vocabulary, '@language': language, '@base': base } = source
  const next: TermContext = {
    base: typeof base === 'string' ? resolveIri(context.base, base.replace(/#.*$/, '')) : context.base,
    vocabulary: typeof vocabulary === 'string' ? vocabulary : vocabulary === null ? null : context.vocabulary,
    language: typeof language === 'string' ? language : language === null ? null : context.language,
    terms: context.terms,
    keys: context.keys,
  }
  const terms = new Map(context.terms)
  for (const name of Object.keys(source)) if (!notTerms.has(name)) terms.set(name, readTerm(next, source, name))
  return { ...next, terms, keys: keysOf(terms) }
}

/** The IRI of a key or of a value that names a term; null for one that means nothing. */
export const expandTerm = (context: TermContext, text: string): string | null => {
  if (isUnknownKeyword(text)) return null
  const term = context.terms.get(text)
  if (term) return term.iri
  const compact = splitCompact(text)
  if (!compact && !text.includes('://')) return context.vocabulary === null ? null : context.vocabulary + text
  return expandCompact(context, text, compact)
}

const expandCompact = (context: TermContext, text: string, compact: [string, string] | undefined): string => {
  if (compact?.[0] === '_') return text
  const prefix = compact && context.terms.get(compact[0])
  if (compact && prefix?.prefix && prefix.iri) return prefix.iri + compact[1]
  return resolveIri(context.base, text)
}

/** The IRI of an `@id`; null for one that cannot be an IRI, as with a space in it. */
export const expandId = (context: TermContext, id: string): string | null => {
  if (isUnknownKeyword(id)) return resolveIri(context.base, '')
  const iri = expandCompact(context, id, splitCompact(id))
  return iri.includes(' ') ? null : iri
}
