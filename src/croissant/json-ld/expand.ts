import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import { jsonPointer } from '../../lib/json/json-pointer.ts'
import { addStatement, type LinkedGraph, type LinkedNode, type LinkedValue } from './linked-graph.ts'
import { isLanguageTag, plainLiteral, typedLiteral } from './literal.ts'
import { expandId, expandTerm, noContext, type Term, type TermContext, withDefinitions } from './term-context.ts'

/** An expansion under way. */
interface Expansion {
  graph: LinkedGraph
  /** How many blank nodes have a name by now. */
  blanks: number
}

/** A context object is applied; a list is applied in order. Remote contexts are never fetched, and mean nothing. */
const applyContext = (context: TermContext, source: unknown): TermContext => {
  if (Array.isArray(source)) return source.reduce<TermContext>(applyContext, context)
  if (source === null) return { ...noContext, base: context.base }
  return isObject(source) ? withDefinitions(context, source) : context
}

/** Expands a JSON-LD document to the graph of its nodes, by the rules of JSON-LD 1.1 that Croissant documents use. */
export const expandDocument = (document: JsonObject): { graph: LinkedGraph; root: string | undefined } => {
  const context = applyContext(noContext, document['@context'])
  const expansion: Expansion = { graph: { base: context.base, nodes: new Map() }, blanks: 0 }
  const root = addNode(expansion, context, document, '', true)
  return { graph: expansion.graph, root }
}

const member = (context: TermContext, object: JsonObject, keyword: string): unknown => {
  const key = context.keys.get(keyword)?.find((one) => Object.hasOwn(object, one))
  return key === undefined ? undefined : object[key]
}

const getNode = (expansion: Expansion, id: string, pointer: string): LinkedNode => {
  const existing = expansion.graph.nodes.get(id)
  if (existing) return existing
  const node = { id, types: [], properties: new Map(), statements: new Set<string>(), pointer, typePointer: undefined }
  expansion.graph.nodes.set(id, node)
  return node
}

/** Adds an object to the graph, and returns the id of its node; undefined for one that JSON-LD ignores. */
const addNode = (
  expansion: Expansion,
  outer: TermContext,
  object: JsonObject,
  pointer: string,
  isTop = false,
): string | undefined => {
  if (member(outer, object, '@value')) return undefined
  const own = object['@context']
  const context = own === undefined || isTop ? outer : applyContext(outer, own)
  const named = member(context, object, '@id')
  const id = typeof named === 'string' ? expandId(context, named) : `_: ${++expansion.blanks}`
  if (id === null) return undefined
  const idKeys = context.keys.get('@id') ?? []
  const keys = Object.keys(object).filter((key) => key !== '@context' && !idKeys.includes(key))
  // A node of which nothing is said exists only as a blank node: `{"@id": "x"}` is a reference.
  if (keys.length === 0 && !id.startsWith('_:')) return id
  if (id.startsWith('_:')) getNode(expansion, id, pointer)
  for (const key of keys)
    addProperty(expansion, context, id, key, object[key], `${pointer}${jsonPointer([key])}`, pointer)
  return id
}

/** Keywords that are keys of nodes, whatever the context says. */
const structural = new Set(['@type', '@graph', '@included', '@set'])

const addProperty = (
  expansion: Expansion,
  context: TermContext,
  id: string,
  key: string,
  value: unknown,
  pointer: string,
  nodePointer: string,
): void => {
  const term = context.terms.get(key)
  const property = structural.has(key) ? key : term ? term.iri : expandTerm(context, key)
  if (property === null) return
  if (property === '@type') {
    for (const [one, at] of itemsOf(value, pointer)) addType(expansion, context, id, one, at, nodePointer)
    return
  }
  if (property === '@graph' || property === '@included' || property === '@set') {
    for (const [one, at] of itemsOf(value, pointer)) if (isObject(one)) addNode(expansion, context, one, at)
    return
  }
  for (const one of valuesUnder(expansion, context, term, value, pointer)) {
    addStatement(getNode(expansion, id, nodePointer), property, one)
  }
}

const typeTerm: Term = { iri: '@type', coercion: '@vocab', containers: new Set(), language: undefined, prefix: false }

/** Adds a type to a node. What is no name of a type is kept as its text, so that rules can show it. */
const addType = (
  expansion: Expansion,
  context: TermContext,
  id: string,
  type: unknown,
  pointer: string,
  nodePointer: string,
): void => {
  const value = toValue(expansion, context, typeTerm, type, pointer)
  if (!value) return
  const node = getNode(expansion, id, nodePointer)
  node.typePointer ??= pointer
  const name = value.kind === 'node' ? value.id : value.kind === 'literal' ? String(value.value) : value.kind
  if (!node.types.includes(name)) node.types.push(name)
}

/** The items of a list, nested lists and sets flattened, each with its pointer. */
function* itemsOf(value: unknown, pointer: string): Generator<[item: unknown, pointer: string]> {
  if (Array.isArray(value)) {
    for (const [index, one] of value.entries()) yield* itemsOf(one, `${pointer}/${index}`)
  } else if (isObject(value) && Object.hasOwn(value, '@set')) yield* itemsOf(value['@set'], `${pointer}/@set`)
  else yield [value, pointer]
}

/** All values that stand under a key. */
function* valuesUnder(
  expansion: Expansion,
  context: TermContext,
  term: Term | undefined,
  value: unknown,
  pointer: string,
): Generator<LinkedValue> {
  if (term?.coercion === '@json') yield { kind: 'json', value, pointer }
  else if (term?.containers.has('@list')) yield { kind: 'list', pointer }
  else if (term?.containers.has('@language') && isObject(value)) yield* languageMap(value, pointer)
  else {
    for (const [one, at] of itemsOf(value, pointer)) {
      const linked = toValue(expansion, context, term, one, at)
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

const toValue = (
  expansion: Expansion,
  context: TermContext,
  term: Term | undefined,
  value: unknown,
  pointer: string,
): LinkedValue | undefined => {
  if (value === null) return undefined
  if (isObject(value)) return fromObject(expansion, context, value, pointer)
  const coercion = term?.coercion
  if (coercion === undefined) {
    return plainLiteral(value, term?.language !== undefined ? term.language : context.language, pointer)
  }
  if (coercion !== '@id' && coercion !== '@vocab') return typedLiteral(value, coercion, pointer)
  if (typeof value !== 'string') return plainLiteral(String(value), null, pointer)
  const id = (coercion === '@vocab' ? expandTerm(context, value) : null) ?? expandId(context, value)
  if (id === null || id.includes(' ')) return undefined
  if (id.startsWith('_:')) getNode(expansion, id, pointer)
  return { kind: 'node', id, pointer }
}

const fromObject = (
  expansion: Expansion,
  context: TermContext,
  object: JsonObject,
  pointer: string,
): LinkedValue | undefined => {
  if (member(context, object, '@list') !== undefined) return { kind: 'list', pointer }
  const value = member(context, object, '@value')
  const language = member(context, object, '@language')
  if (value === undefined && language === undefined) {
    const id = addNode(expansion, context, object, pointer)
    return id === undefined ? undefined : { kind: 'node', id, pointer }
  }
  if (value === undefined || value === null) return undefined
  if (typeof language === 'string' && language !== '') return plainLiteral(value, language, pointer)
  const type = member(context, object, '@type')
  return typedLiteral(value, typeof type === 'string' ? expandDatatype(context, type) : null, pointer)
}

const expandDatatype = (context: TermContext, type: string): string | null =>
  type === '@json' ? type : expandTerm(context, type)
