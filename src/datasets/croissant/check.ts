import { type LinkedGraph, type LinkedNode, type LinkedValue, shortId } from './json-ld.ts'

/** A fault in a Croissant document, or advice about it. */
export interface CroissantFinding {
  /** JSON Pointer of the place in the document. */
  pointer: string
  /** The node and those it is in, such as `Metadata(iris) > RecordSet(flowers)`; null for the document itself. */
  node: string | null
  /** Name of the rule, for programs. */
  rule: string
  severity: 'error' | 'warning'
  message: string
  /** What to do about it. */
  fix: string
}

export type ReportFinding = (finding: CroissantFinding) => void

export const maxFindings = 500
const maxMessageCharacters = 2_000

/**
 * Collects findings: each once, errors before warnings, in the order of the document, and no more than `maxFindings`.
 * Long messages are cut: names in the document may be of any length.
 */
export const collectFindings = (): { report: ReportFinding; sorted: () => CroissantFinding[] } => {
  const found = new Map<string, CroissantFinding>()
  return {
    report: (given) => {
      if (found.size >= maxFindings) return
      const node = given.node?.slice(0, maxMessageCharacters) ?? null
      const finding = { ...given, node, message: given.message.slice(0, maxMessageCharacters) }
      found.set(`${finding.rule} ${finding.pointer} ${finding.message}`, finding)
    },
    sorted: () => [...found.values()].sort((a, b) => a.severity.localeCompare(b.severity)),
  }
}

const versions = ['0.8', '1.0', '1.1'] as const
/** Versions of Croissant that a document may conform to. */
export type CroissantVersion = (typeof versions)[number]

export const schemaOrg = 'https://schema.org/'
const croissant = 'http://mlcommons.org/croissant/'

/** The version that a `conformsTo` names. */
export const versionOfUri = (uri: unknown): CroissantVersion | undefined =>
  versions.find((one) => uri === croissant + one)

/** Terms that 0.8 has in schema.org. */
const movedTerms = ['md5', 'key', 'FileObject', 'FileSet']

/** Makes the function that gives the IRI of a term such as `sc:name`, `cr:field` or `rai:dataBiases`. */
export const termsOf = (version: CroissantVersion) => {
  const own = version === '0.8' ? 'http://mlcommons.org/schema/' : croissant
  const iriOf = (name: string): string => {
    const [prefix, term = ''] = name.split(':')
    if (prefix === 'sc' || (version === '0.8' && movedTerms.includes(term))) return schemaOrg + term
    return own + (prefix === 'rai' ? `RAI/${term}` : term)
  }
  const known: Record<string, string> = {}
  return (name: string): string => {
    known[name] ??= iriOf(name)
    return known[name]
  }
}

const simpleTypes = 'Boolean Date DateTime Float Integer Text Time URL AudioObject ImageObject VideoObject'
const croissantTypes = 'BoundingBox Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float16 Float32 Float64'

/** Data types that say how a value is read. Other types may stand beside one of them, and add a meaning. */
export const readableTypes: ReadonlySet<string> = new Set([
  ...simpleTypes.split(' ').map((name) => schemaOrg + name),
  ...croissantTypes.split(' ').map((name) => croissant + name),
])

/** What every rule needs: the document as nodes, the terms of its version, and where findings go. */
export interface CroissantCheck {
  graph: LinkedGraph
  version: CroissantVersion
  /** The IRI of a term, such as `cr:field`. */
  iri(name: string): string
  report: ReportFinding
  /** Whether files may lack a checksum, since their content changes. */
  isLive: boolean
}

/** A node under the rules, with the path of nodes it is in. */
export interface Subject {
  node: LinkedNode
  /** Such as `Metadata(iris) > RecordSet(flowers)`. */
  path: string
}

/** The id of a node as its author wrote it; undefined for a node without one. */
export const authorId = (check: CroissantCheck, id: string): string | undefined =>
  id.startsWith('_:') ? undefined : shortId(check.graph.base, id)

/** What a message calls a node: its id, else its place. */
export const nodeLabel = (check: CroissantCheck, node: LinkedNode): string =>
  authorId(check, node.id) ?? `#${node.pointer}`

/** A finding without its node. Without a pointer, it is about the whole node. */
type Fault = Pick<CroissantFinding, 'rule' | 'message' | 'fix'> & { pointer?: string | undefined }

/** Reports an error of a node. */
export const addError = (check: CroissantCheck, { node, path }: Subject, fault: Fault): void =>
  check.report({ ...fault, severity: 'error', node: path, pointer: fault.pointer ?? node.pointer })

/** Reports advice about a node. */
export const addWarning = (check: CroissantCheck, { node, path }: Subject, fault: Fault): void =>
  check.report({ ...fault, severity: 'warning', node: path, pointer: fault.pointer ?? node.pointer })

/** The values of a property of a node, whatever they are. */
export const valuesOf = (check: CroissantCheck, node: LinkedNode, name: string): readonly LinkedValue[] =>
  node.properties.get(check.iri(name)) ?? []

/** The first value of a property, if it is a literal. */
export const firstLiteral = (check: CroissantCheck, node: LinkedNode, name: string) => {
  const [value] = valuesOf(check, node, name)
  return value?.kind === 'literal' ? value.value : undefined
}

/** The text of the first value of a property, if it is one. */
export const firstText = (check: CroissantCheck, node: LinkedNode, name: string): string => {
  const value = firstLiteral(check, node, name)
  return typeof value === 'string' ? value : ''
}

/** Where the first value of a property stands. */
export const placeOf = (check: CroissantCheck, node: LinkedNode, name: string): string | undefined =>
  valuesOf(check, node, name)[0]?.pointer

/** The nodes that values lead to. */
export const targetsOf = ({ graph }: CroissantCheck, values: readonly LinkedValue[]): LinkedNode[] =>
  values.flatMap((value) => (value.kind === 'node' ? (graph.nodes.get(value.id) ?? []) : []))

/** What values a property may have. */
interface PropertyRule {
  /** The key that authors write. */
  key: string
  /** Types of schema.org, such as Text; a text also fits URL, Date, DateTime, Time and Language. */
  literals: string[]
  /** IRIs of the types of nodes; null is a node without a type. */
  nodes: (string | null)[]
}

const textual = ['Text', 'URL', 'Date', 'DateTime', 'Time', 'Language']
/** The types that values of JSON have, in the words of the reference implementation. */
const literalsOf: Readonly<Record<string, readonly string[]>> = {
  ...{ str: textual, bool: ['Boolean'], int: ['Integer', 'Number'], float: ['Number'], list: [] },
}

const jsonTypeOf = (value: LinkedValue): string => {
  if (value.kind === 'json') return Array.isArray(value.value) ? 'list' : 'dict'
  if (value.kind !== 'literal') return 'dict'
  if (typeof value.value === 'string') return 'str'
  if (typeof value.value === 'boolean') return 'bool'
  return Number.isInteger(value.value) ? 'int' : 'float'
}

const snakeCase = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/**
 * Reads the values of a property and reports those of a wrong type. Returns the others. `expected` has types of
 * literals (`Text`), types of nodes (`cr:Field`, or `{}` for none), and `*` where there may be several, `*1.1` where
 * there may be since 1.1. Elsewhere a second value is only advised against, since readers take the first.
 */
export const readProperty = (
  check: CroissantCheck,
  subject: Subject,
  name: string,
  expected: string,
): LinkedValue[] => {
  const values = valuesOf(check, subject.node, name)
  if (values.length === 0) return []
  const words = expected.split(' ')
  const rule: PropertyRule = {
    key: name.replace(/^(sc|cr):/, ''),
    literals: words.filter((word) => /^[A-Z]/.test(word)),
    nodes: words.flatMap((word) => (word === '{}' ? null : word.includes(':') ? check.iri(word) : [])),
  }
  if (values.length > 1 && !words.includes('*') && !(words.includes('*1.1') && check.version === '1.1')) {
    addWarning(check, subject, {
      rule: 'cardinality',
      pointer: values[1]?.pointer,
      message: `\`${snakeCase(rule.key)}\` has cardinality \`ONE\`, but got a list`,
      fix: `Keep one value of "${rule.key}": readers take the first and ignore the others.`,
    })
  }
  return values.filter((value) => isAccepted(check, subject, rule, value))
}

/** Reads properties of which only the types are checked. */
export const readProperties = (check: CroissantCheck, subject: Subject, expected: Record<string, string>): void => {
  for (const [name, types] of Object.entries(expected)) readProperty(check, subject, name, types)
}

const isAccepted = (check: CroissantCheck, subject: Subject, rule: PropertyRule, value: LinkedValue): boolean => {
  const { key, literals, nodes } = rule
  const type = jsonTypeOf(value)
  const expected = () => [...nodes.map((one) => one ?? 'None'), ...literals.map((one) => schemaOrg + one)]
  if (type !== 'dict') {
    if (literals.some((one) => literalsOf[type]?.includes(one))) return true
    addError(check, subject, {
      rule: 'value-type',
      pointer: value.pointer,
      message: `\`${snakeCase(key)}\` should have type ${expected().join(' or ')}, but got ${type}`,
      fix: fixOfLiteral(rule, type),
    })
    return false
  }
  const [target] = targetsOf(check, [value])
  const nodeType = target?.types[0] ?? null
  if (nodes.includes(nodeType) && (nodeType !== null || value.kind === 'node')) return true
  const label = value.kind === 'node' ? (target ? nodeLabel(check, target) : value.id) : key
  const attributes = expected()
    .map((one) => `"@type": "${one}"`)
    .join(' or ')
  addError(check, subject, {
    rule: 'node-type',
    pointer: target?.typePointer ?? value.pointer,
    message: `"${label}" should have an attribute ${attributes}. Got ${nodeType ?? 'None'} instead.`,
    fix: fixOfNode(rule),
  })
  return false
}

const fixOfLiteral = ({ key, literals }: PropertyRule, type: string): string => {
  if (literals.some((one) => textual.includes(one))) return `Write the value of "${key}" as text, in quotes.`
  if (literals.includes('Boolean')) return `Write true or false without quotes as the value of "${key}".`
  if (literals.length > 0) return `Write a number without quotes as the value of "${key}".`
  return `Write an object as the value of "${key}", not a ${type === 'str' ? 'text' : 'number'}.`
}

const fixOfNode = ({ key, nodes }: PropertyRule): string => {
  const types = nodes.flatMap((type) => type?.replace(croissant, 'cr:').replace(schemaOrg, 'sc:') ?? [])
  if (types.length > 0) return `Set "@type" of each value of "${key}" to ${types.join(' or ')}.`
  if (nodes.length > 0) return `Write the value of "${key}" as an object without "@type".`
  return `Write a plain value for "${key}", not an object.`
}
