import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import { jsonPointer } from '../../lib/json/json-pointer.ts'

/** The base of relative ids in a document that names none. Messages and data show ids without it. */
const defaultBase = 'https://croissant.invalid/'

/** The scheme of an IRI, such as `https` or `urn`; undefined for a relative one. */
const schemeOf = (iri: string): string | undefined => /^([a-z][a-z0-9+.-]*):/i.exec(iri)?.[1]

/** Removes `.`, `..` and empty segments from a path, and keeps a slash at its end. */
const normalPath = (path: string): string => {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(segment)
  }
  const end = path.endsWith('/') && kept.length > 0 ? '/' : ''
  return `${path.startsWith('/') ? '/' : ''}${kept.join('/')}${end}`
}

/** Splits a base into scheme with host, and path. */
const splitBase = (base: string): [origin: string, path: string] => {
  const found = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)([^?#]*)/i.exec(base)
  return found ? [found[1] ?? '', found[2] ?? ''] : ['', base]
}

/** Resolves an id against a base. Absolute ids stay as they are. */
const resolveIri = (base: string, iri: string): string => {
  if (iri.includes('://') || schemeOf(iri)) return iri
  const [origin, basePath] = splitBase(base)
  const tail = iri.search(/[?#]/)
  const path = tail < 0 ? iri : iri.slice(0, tail)
  const rest = tail < 0 ? '' : iri.slice(tail)
  const joined = path === '' ? basePath : path.startsWith('/') ? path : basePath.replace(/[^/]*$/, '') + path
  return `${origin}${normalPath(joined.startsWith('/') || origin === '' ? joined : `/${joined}`)}${rest}`
}

/** An id as its author wrote it: without the base of the document. */
export const shortId = (base: string, iri: string): string => (iri.startsWith(base) ? iri.slice(base.length) : iri)

/** A value of a property, and the place in the document where it stands. */
export type LinkedValue =
  | { kind: 'node'; id: string; pointer: string }
  | { kind: 'literal'; value: string | number | boolean; language: string | null; pointer: string }
  | { kind: 'json'; value: unknown; pointer: string }
  | { kind: 'list'; pointer: string }

/** A node with everything that a document says about it, wherever it says so. */
export interface LinkedNode {
  id: string
  types: string[]
  properties: Map<string, LinkedValue[]>
  /** The statements above as text, so that each is kept once. */
  statements: Set<string>
  /** Where the document describes it first. */
  pointer: string
  /** Where its `@type` stands, if it has one. */
  typePointer: string | undefined
}

/** A JSON-LD document as nodes. One without any statement about it has no entry unless it is a blank node. */
export interface LinkedGraph {
  base: string
  nodes: Map<string, LinkedNode>
  /** How many blank nodes have a name by now. */
  blanks: number
}

/** JSON text with sorted members, to compare values. */
const sortedJson = (value: unknown): string =>
  JSON.stringify(value, (_key, one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  )

/** Text that is equal for values that are the same in RDF. */
const identityOf = (value: LinkedValue): string => {
  if (value.kind === 'node') return `node ${value.id}`
  if (value.kind === 'literal') return `${typeof value.value} ${value.language ?? ''} ${value.value}`
  return value.kind === 'json' ? `json ${sortedJson(value.value)}` : `list ${value.pointer}`
}

/** Adds a statement to a node. A statement that is there already is added only once, as in RDF. */
const addStatement = (node: LinkedNode, property: string, value: LinkedValue): void => {
  const statement = `${property} ${identityOf(value)}`
  if (node.statements.has(statement)) return
  node.statements.add(statement)
  const values = node.properties.get(property)
  if (values) values.push(value)
  else node.properties.set(property, [value])
}

const xsd = 'http://www.w3.org/2001/XMLSchema#'
const jsonDatatypes: unknown[] = ['@json', 'http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON']

/** The value of a literal with a datatype; its text where the datatype is none of JSON's, or does not fit. */
const typedValue = (value: unknown, datatype: string): string | number | boolean => {
  const text = String(value)
  if (datatype === `${xsd}integer` && /^\s*[+-]?\d+\s*$/.test(text)) return Number(text)
  if (datatype === `${xsd}double` && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text)
  if (datatype === `${xsd}boolean` && /^(true|false|1|0)$/.test(text)) return text === 'true' || text === '1'
  return text
}

/** A literal of a value without a datatype; only texts have a language. */
const plainLiteral = (value: unknown, language: string | null, pointer: string): LinkedValue => {
  const isPlain = typeof value === 'number' || typeof value === 'boolean'
  const text = isPlain ? value : String(value)
  return { kind: 'literal', value: text, language: typeof value === 'string' ? language : null, pointer }
}

/** A literal of a value that has a datatype. */
const typedLiteral = (value: unknown, datatype: string | null, pointer: string): LinkedValue =>
  jsonDatatypes.includes(datatype)
    ? { kind: 'json', value, pointer }
    : plainLiteral(datatype === null ? value : typedValue(value, datatype), null, pointer)

/** Whether a text has the form of a language tag, such as `en` or `pt-BR`. */
export const isLanguageTag = (text: string): boolean => /^[a-zA-Z]+(-[a-zA-Z0-9]+)*$/.test(text)

/** What a context says about a key. `iri` is null for a key that the context switches off. */
interface Term {
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
interface TermContext {
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

const contextOf = (base: string): TermContext => ({
  ...{ base, vocabulary: null, language: null, terms: new Map(), keys: keysOf(new Map()) },
})

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

/** What a context says about a name: an IRI, or an object that says more. */
const readTerm = (context: TermContext, source: JsonObject, name: string): Term => {
  const definition = source[name]
  const iriOf = (text: unknown): string | null =>
    typeof text === 'string' ? expandDefinition(context, source, text) : null
  if (!isObject(definition)) {
    const iri = isUnknownKeyword(String(definition)) ? null : iriOf(definition)
    return { iri, coercion: undefined, containers: new Set(), language: undefined, prefix: isPrefix(iri) }
  }
  const { '@id': id, '@type': type, '@container': container, '@language': language, '@prefix': prefix } = definition
  const from = typeof id === 'string' ? id : name.includes(':') ? name : undefined
  const inVocabulary = from === undefined && context.vocabulary !== null ? context.vocabulary + name : null
  const iri = iriOf(from) ?? inVocabulary
  return {
    iri: id === null ? null : iri,
    coercion: type === '@id' || type === '@vocab' ? type : (iriOf(type) ?? undefined),
    containers: new Set([container].flat().filter((one) => typeof one === 'string')),
    language: typeof language === 'string' || language === null ? language : undefined,
    prefix: typeof prefix === 'boolean' ? prefix : isPrefix(iri),
  }
}

/** A context object is applied; a list is applied in order. Remote contexts are never fetched, and mean nothing. */
const applyContext = (context: TermContext, source: unknown): TermContext => {
  if (Array.isArray(source)) return source.reduce<TermContext>(applyContext, context)
  if (source === null) return contextOf(context.base)
  if (!isObject(source)) return context
  const { '@vocab': vocabulary, '@language': language, '@base': base } = source
  const given = (value: unknown, outer: string | null) => (typeof value === 'string' || value === null ? value : outer)
  const next: TermContext = {
    ...context,
    base: typeof base === 'string' ? resolveIri(context.base, base.replace(/#.*$/, '')) : context.base,
    vocabulary: given(vocabulary, context.vocabulary),
    language: given(language, context.language),
  }
  const terms = new Map(context.terms)
  for (const name of Object.keys(source)) if (!notTerms.has(name)) terms.set(name, readTerm(next, source, name))
  return { ...next, terms, keys: keysOf(terms) }
}

/** Croissant 1.0 writes schema.org with https, and the context of 1.1 with http: both are the same vocabulary. */
const withHttps = (iri: string): string => iri.replace(/^http:\/\/schema\.org\//, 'https://schema.org/')

/** The IRI of a key or of a value that names a term; null for one that means nothing. */
const expandTerm = (context: TermContext, text: string): string | null => {
  const term = context.terms.get(text)
  if (isUnknownKeyword(text) || term?.iri === null) return null
  if (term) return withHttps(term.iri)
  if (text.includes('://') || splitCompact(text)) return withHttps(expandCompact(context, text))
  return context.vocabulary === null ? null : withHttps(context.vocabulary + text)
}

const expandCompact = (context: TermContext, text: string): string => {
  const [prefix, local] = splitCompact(text) ?? []
  if (prefix === '_') return text
  const term = prefix === undefined ? undefined : context.terms.get(prefix)
  return term?.prefix && term.iri ? term.iri + local : resolveIri(context.base, text)
}

/** The IRI of an `@id`; null for one that cannot be an IRI, as with a space in it. */
const expandId = (context: TermContext, id: string): string | null => {
  if (isUnknownKeyword(id)) return resolveIri(context.base, '')
  const iri = expandCompact(context, id)
  return iri.includes(' ') ? null : withHttps(iri)
}

/** Where an expansion is in a document. */
interface Place {
  graph: LinkedGraph
  context: TermContext
  pointer: string
}

const placeAt = ({ graph, context }: Place, pointer: string): Place => ({ graph, context, pointer })

/** Expands a JSON-LD document to the graph of its nodes, by the rules of JSON-LD 1.1 that Croissant documents use. */
export const expandDocument = (document: JsonObject): { graph: LinkedGraph; root: string | undefined } => {
  const context = applyContext(contextOf(defaultBase), document['@context'])
  const graph: LinkedGraph = { base: context.base, nodes: new Map(), blanks: 0 }
  return { graph, root: addNode({ graph, context, pointer: '' }, document, true) }
}

const member = (context: TermContext, object: JsonObject, keyword: string): unknown => {
  const key = context.keys.get(keyword)?.find((one) => Object.hasOwn(object, one))
  return key === undefined ? undefined : object[key]
}

const getNode = ({ graph, pointer }: Place, id: string): LinkedNode => {
  const existing = graph.nodes.get(id)
  if (existing) return existing
  const node = { id, types: [], properties: new Map(), statements: new Set<string>(), pointer, typePointer: undefined }
  graph.nodes.set(id, node)
  return node
}

/** Adds an object to the graph, and returns the id of its node; undefined for one that JSON-LD ignores. */
const addNode = (outer: Place, object: JsonObject, isTop = false): string | undefined => {
  if (member(outer.context, object, '@value')) return undefined
  const own = object['@context']
  const context = own === undefined || isTop ? outer.context : applyContext(outer.context, own)
  const at = { ...outer, context }
  const named = member(context, object, '@id')
  const id = typeof named === 'string' ? expandId(context, named) : `_: ${++at.graph.blanks}`
  if (id === null) return undefined
  const idKeys = context.keys.get('@id') ?? []
  const keys = Object.keys(object).filter((key) => key !== '@context' && !idKeys.includes(key))
  // A node of which nothing is said exists only as a blank node: `{"@id": "x"}` is a reference.
  if (id.startsWith('_:')) getNode(at, id)
  for (const key of keys) addProperty(at, id, key, object[key])
  return id
}

/** Keywords that are keys of nodes, whatever the context says. */
const structural = new Set(['@type', '@graph', '@included', '@set'])

const addProperty = (at: Place, id: string, key: string, value: unknown): void => {
  const property = structural.has(key) ? key : expandTerm(at.context, key)
  if (property === null) return
  const inside = placeAt(at, at.pointer + jsonPointer([key]))
  if (property === '@type') addTypes(at, id, value, inside)
  else if (structural.has(property)) {
    for (const [one, pointer] of itemsOf(value, inside.pointer)) if (isObject(one)) addNode(placeAt(at, pointer), one)
  } else {
    const values = valuesUnder(inside, at.context.terms.get(key), value)
    for (const one of values) addStatement(getNode(at, id), property, one)
  }
}

const typeTerm: Term = { iri: '@type', coercion: '@vocab', containers: new Set(), language: undefined, prefix: false }

/** Adds types to a node. What is no name of a type is kept as its text, so that rules can show it. */
const addTypes = (at: Place, id: string, types: unknown, inside: Place): void => {
  for (const [type, pointer] of itemsOf(types, inside.pointer)) {
    const value = toValue(placeAt(at, pointer), typeTerm, type)
    if (!value) continue
    const node = getNode(at, id)
    node.typePointer ??= pointer
    const name = value.kind === 'node' ? value.id : value.kind === 'literal' ? String(value.value) : value.kind
    if (!node.types.includes(name)) node.types.push(name)
  }
}

/** The items of a list, nested lists and sets flattened, each with its pointer. */
function* itemsOf(value: unknown, pointer: string): Generator<[item: unknown, pointer: string]> {
  if (Array.isArray(value)) {
    for (const [index, one] of value.entries()) yield* itemsOf(one, `${pointer}/${index}`)
  } else if (isObject(value) && Object.hasOwn(value, '@set')) yield* itemsOf(value['@set'], `${pointer}/@set`)
  else yield [value, pointer]
}

/** All values that stand under a key. */
function* valuesUnder(at: Place, term: Term | undefined, value: unknown): Generator<LinkedValue> {
  if (term?.coercion === '@json') yield { kind: 'json', value, pointer: at.pointer }
  else if (term?.containers.has('@list')) yield { kind: 'list', pointer: at.pointer }
  else if (term?.containers.has('@language') && isObject(value)) yield* languageMap(value, at.pointer)
  else {
    for (const [one, pointer] of itemsOf(value, at.pointer)) {
      const linked = toValue(placeAt(at, pointer), term, one)
      if (linked) yield linked
    }
  }
}

function* languageMap(map: JsonObject, pointer: string): Generator<LinkedValue> {
  for (const [language, texts] of Object.entries(map)) {
    for (const [one, at] of itemsOf(texts, `${pointer}${jsonPointer([language])}`)) {
      if (one === null || language.includes(' ')) continue
      // An object where a map of languages is expected is no text; rules report it as an object.
      if (language !== '@none' && !isLanguageTag(language)) yield { kind: 'list', pointer: at }
      else yield plainLiteral(one, language === '@none' ? null : language, at)
    }
  }
}

const toValue = (at: Place, term: Term | undefined, value: unknown): LinkedValue | undefined => {
  const { context, pointer } = at
  if (value === null) return undefined
  if (isObject(value)) return fromObject(at, value)
  const coercion = term?.coercion
  if (coercion === undefined) {
    return plainLiteral(value, term?.language !== undefined ? term.language : context.language, pointer)
  }
  if (coercion !== '@id' && coercion !== '@vocab') return typedLiteral(value, coercion, pointer)
  if (typeof value !== 'string') return plainLiteral(String(value), null, pointer)
  const id = (coercion === '@vocab' ? expandTerm(context, value) : null) ?? expandId(context, value)
  if (id === null || id.includes(' ')) return undefined
  if (id.startsWith('_:')) getNode(at, id)
  return { kind: 'node', id, pointer }
}

const fromObject = (at: Place, object: JsonObject): LinkedValue | undefined => {
  const { context, pointer } = at
  if (member(context, object, '@list') !== undefined) return { kind: 'list', pointer }
  const value = member(context, object, '@value')
  const language = member(context, object, '@language')
  if (value === undefined && language === undefined) {
    const id = addNode(at, object)
    return id === undefined ? undefined : { kind: 'node', id, pointer }
  }
  if (value === undefined || value === null) return undefined
  if (typeof language === 'string' && language !== '') return plainLiteral(value, language, pointer)
  const type = member(context, object, '@type')
  if (typeof type !== 'string') return plainLiteral(value, null, pointer)
  return typedLiteral(value, type === '@json' ? type : expandTerm(context, type), pointer)
}
