import type { LinkedNode, LinkedValue } from '../json-ld/linked-graph.ts'
import { addError, addWarning, type CroissantCheck, nodeLabel, type Subject } from './check.ts'

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
