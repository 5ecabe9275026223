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
export const collectFindings = (): {
  report: ReportFinding
  sorted: () => CroissantFinding[]
  isFull: () => boolean
} => {
  const found = new Map<string, CroissantFinding>()
  const isFull = () => found.size >= maxFindings
  return {
    report: (given) => {
      if (isFull()) return
      const node = given.node?.slice(0, maxMessageCharacters) ?? null
      const finding = { ...given, node, message: given.message.slice(0, maxMessageCharacters) }
      found.set(`${finding.rule} ${finding.pointer} ${finding.message}`, finding)
    },
    sorted: () => [...found.values()].sort((a, b) => a.severity.localeCompare(b.severity)),
    isFull,
  }
}

/** Versions of Croissant that a document may conform to. */
export type CroissantVersion = '0.8' | '1.0' | '1.1'

export const schemaOrg = 'https://schema.org/'
export const croissant = 'http://mlcommons.org/croissant/'
export const conformsTo = 'http://purl.org/dc/terms/conformsTo'

export const versionOfUri: Readonly<Record<string, CroissantVersion>> = {
  [`${croissant}0.8`]: '0.8',
  [`${croissant}1.0`]: '1.0',
  [`${croissant}1.1`]: '1.1',
}

/** The IRIs of a version: 0.8 has another namespace, and has files and keys among the terms of schema.org. */
interface Vocabulary {
  version: CroissantVersion
  /** The IRI of a term of Croissant. */
  cr: (name: string) => string
  sc: (name: string) => string
  /** The IRI of a term that 0.8 has in schema.org and later versions have in Croissant. */
  moved: (name: string) => string
}

export const vocabularyOf = (version: CroissantVersion): Vocabulary => {
  const cr = (name: string) => `${version === '0.8' ? 'http://mlcommons.org/schema/' : croissant}${name}`
  const sc = (name: string) => `${schemaOrg}${name}`
  return { version, cr, sc, moved: version === '0.8' ? sc : cr }
}

const simpleTypes = 'Boolean Date DateTime Float Integer Text Time URL AudioObject ImageObject VideoObject'
const croissantTypes = 'BoundingBox Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float16 Float32 Float64'

/** Data types that say how a value is read. Other types may stand beside one of them, and add a meaning. */
export const readableTypes: ReadonlySet<string> = new Set([
  ...simpleTypes.split(' ').map((name) => `${schemaOrg}${name}`),
  ...croissantTypes.split(' ').map((name) => `${croissant}${name}`),
])

/** What every rule needs: the document as nodes, the terms of its version, and where findings go. */
export interface CroissantCheck {
  graph: LinkedGraph
  vocabulary: Vocabulary
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

const report = (
  check: CroissantCheck,
  { node, path }: Subject,
  severity: CroissantFinding['severity'],
  fault: Fault,
): void => check.report({ ...fault, severity, node: path, pointer: fault.pointer ?? node.pointer })

/** Reports an error of a node. */
export const addError = (check: CroissantCheck, subject: Subject, fault: Fault): void =>
  report(check, subject, 'error', fault)

/** Reports advice about a node. */
export const addWarning = (check: CroissantCheck, subject: Subject, fault: Fault): void =>
  report(check, subject, 'warning', fault)

/** The text of the first value of a property, if it is one. */
export const firstText = (node: LinkedNode, property: string): string => {
  const [value] = node.properties.get(property) ?? []
  return value?.kind === 'literal' && typeof value.value === 'string' ? value.value : ''
}

/** What values a property may have. */
export interface PropertyRule {
  iri: string
  /** The key that authors write. */
  key: string
  /** Types of schema.org, such as Text; a text also fits URL, Date, DateTime, Time and Language. */
  literals?: readonly string[]
  /** IRIs of the types of nodes; null is a node without a type. */
  nodes?: readonly (string | null)[]
  /** Whether several values are expected. */
  many?: boolean
}

const jsonTypeOf = (value: LinkedValue): string => {
  if (value.kind === 'json') return Array.isArray(value.value) ? 'list' : 'dict'
  if (value.kind !== 'literal') return 'dict'
  if (typeof value.value === 'string') return 'str'
  if (typeof value.value === 'boolean') return 'bool'
  return Number.isInteger(value.value) ? 'int' : 'float'
}

const textual = new Set(['Text', 'URL', 'Date', 'DateTime', 'Time', 'Language'])

const fitsLiteral = (type: string, literals: readonly string[]): boolean => {
  if (type === 'str') return literals.some((one) => textual.has(one))
  if (type === 'bool') return literals.includes('Boolean')
  if (type === 'int') return literals.includes('Integer') || literals.includes('Number')
  return type === 'float' && literals.includes('Number')
}

const snakeCase = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** The node that a value leads to, and whether its first type is one of those expected. */
export const targetOf = (check: CroissantCheck, value: LinkedValue): LinkedNode | undefined =>
  value.kind === 'node' ? check.graph.nodes.get(value.id) : undefined

/**
 * Reads the values of a property and reports those of a wrong type. Returns the others: literals and nodes that the
 * rule accepts. A second value where one is expected is only advice against it, since readers take the first.
 */
export const readProperty = (check: CroissantCheck, subject: Subject, rule: PropertyRule): LinkedValue[] => {
  const values = subject.node.properties.get(rule.iri) ?? []
  if (values.length > 1 && !rule.many) {
    addWarning(check, subject, {
      rule: 'cardinality',
      pointer: values[1]?.pointer,
      message: `\`${snakeCase(rule.key)}\` has cardinality \`ONE\`, but got a list`,
      fix: `Keep one value of "${rule.key}": readers take the first and ignore the others.`,
    })
  }
  return values.filter((value) => isAccepted(check, subject, rule, value))
}

const isAccepted = (check: CroissantCheck, subject: Subject, rule: PropertyRule, value: LinkedValue): boolean => {
  const type = jsonTypeOf(value)
  if (type !== 'dict') {
    if (fitsLiteral(type, rule.literals ?? [])) return true
    reportWrongLiteral(check, subject, rule, value, type)
    return false
  }
  const target = targetOf(check, value)
  const nodeType = target?.types[0] ?? null
  if (rule.nodes?.includes(nodeType) && (nodeType !== null || value.kind === 'node')) return true
  reportWrongNode(check, subject, rule, value, nodeType)
  return false
}

const expectedTypes = (rule: PropertyRule): string[] => [
  ...(rule.nodes ?? []).map((type) => type ?? 'None'),
  ...(rule.literals ?? []).map((type) => `https://schema.org/${type}`),
]

const reportWrongLiteral = (
  check: CroissantCheck,
  subject: Subject,
  rule: PropertyRule,
  value: LinkedValue,
  type: string,
): void =>
  addError(check, subject, {
    rule: 'value-type',
    pointer: value.pointer,
    message: `\`${snakeCase(rule.key)}\` should have type ${expectedTypes(rule).join(' or ')}, but got ${type}`,
    fix: fixOfLiteral(rule, type),
  })

const fixOfLiteral = (rule: PropertyRule, type: string): string => {
  const literals = rule.literals ?? []
  if (literals.some((one) => textual.has(one))) return `Write the value of "${rule.key}" as text, in quotes.`
  if (literals.includes('Boolean')) return `Write true or false without quotes as the value of "${rule.key}".`
  if (literals.length > 0) return `Write a number without quotes as the value of "${rule.key}".`
  return `Write an object as the value of "${rule.key}", not a ${type === 'str' ? 'text' : 'number'}.`
}

const reportWrongNode = (
  check: CroissantCheck,
  subject: Subject,
  rule: PropertyRule,
  value: LinkedValue,
  nodeType: string | null,
): void => {
  const target = targetOf(check, value)
  const label = value.kind === 'node' ? (target ? nodeLabel(check, target) : (value.id ?? '')) : rule.key
  const expected = expectedTypes(rule).map((type) => `"@type": "${type}"`)
  addError(check, subject, {
    rule: 'node-type',
    pointer: target?.typePointer ?? value.pointer,
    message: `"${label}" should have an attribute ${expected.join(' or ')}. Got ${nodeType ?? 'None'} instead.`,
    fix: fixOfNode(rule),
  })
}

const fixOfNode = (rule: PropertyRule): string => {
  const types = (rule.nodes ?? []).filter((type) => type !== null)
  if (types.length > 0) return `Set "@type" of each value of "${rule.key}" to ${types.map(compactType).join(' or ')}.`
  if (rule.nodes) return `Write the value of "${rule.key}" as an object without "@type".`
  return `Write a plain value for "${rule.key}", not an object.`
}

const compactType = (iri: string): string =>
  iri.replace('http://mlcommons.org/croissant/', 'cr:').replace('https://schema.org/', 'sc:')
