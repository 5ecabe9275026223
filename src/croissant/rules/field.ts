import type { LinkedNode, LinkedValue } from '../json-ld/linked-graph.ts'
import { addError, authorId, type CroissantCheck, firstText, nodeLabel, type Subject } from './check.ts'
import type { FieldModel } from './model.ts'
import { type PropertyRule, readProperty, targetOf } from './property.ts'
import { readSource } from './source.ts'

const maxSubFields = 20

/** The id of a node: what its author wrote, else that of its blank node. In 0.8 it is a path of names. */
export const idOf = (check: CroissantCheck, node: LinkedNode, parent?: { id: string }): string => {
  if (check.vocabulary.version !== '0.8') return authorId(check, node.id) ?? node.id
  const name = firstText(node, check.vocabulary.sc('name'))
  return parent ? `${parent.id}/${name}` : name
}

/** The path of a node below another, with the name or the id of the node. */
export const subjectIn = (check: CroissantCheck, outer: string, type: string, node: LinkedNode): Subject => ({
  node,
  path: `${outer} > ${type}(${firstText(node, check.vocabulary.sc('name')) || (authorId(check, node.id) ?? '')})`,
})

/** Checks that a name is there, which 0.8 needs as an id. */
export const checkName = (check: CroissantCheck, subject: Subject): void => {
  const { sc, version } = check.vocabulary
  const rule: PropertyRule = { iri: sc('name'), key: 'name', literals: ['Text'], many: version === '1.1' }
  readProperty(check, subject, rule)
  readProperty(check, subject, {
    iri: sc('description'),
    key: 'description',
    literals: ['Text'],
    many: version === '1.1',
  })
  if (version !== '0.8') return
  const name = firstText(subject.node, sc('name'))
  if (/^[a-zA-Z0-9\-_.]{1,255}$/.test(name)) return
  addError(check, subject, {
    rule: 'name',
    message: name
      ? `The name "${name}" contains forbidden characters.`
      : `Property "${sc('name')}" is mandatory, but does not exist.`,
    fix: 'Give it a name of letters, digits, "-", "_" and ".": Croissant 0.8 uses names as ids.',
  })
}

/** Reads a field and those in it. */
export const readField = (
  check: CroissantCheck,
  subject: Subject,
  parent: { id: string },
  outer: readonly LinkedNode[] = [],
): FieldModel => {
  const { cr, version } = check.vocabulary
  const id = idOf(check, subject.node, parent)
  checkName(check, subject)
  for (const rule of fieldRules(check)) readProperty(check, subject, rule)
  if (version === '0.8')
    readProperty(check, subject, { iri: cr('isEnumeration'), key: 'isEnumeration', literals: ['Boolean'] })
  checkArrayShape(check, subject)
  readParentField(check, subject)
  return {
    ...subject,
    id,
    types: (subject.node.properties.get(cr('dataType')) ?? []).flatMap(typeOfValue),
    references: readSource(check, subject, 'references'),
    source: readSource(check, subject, 'source'),
    hasValue: (subject.node.properties.get(cr('value'))?.length ?? 0) > 0,
    subFields: readSubFields(check, subject, id, outer),
  }
}

const fieldRules = (check: CroissantCheck): PropertyRule[] => {
  const { cr } = check.vocabulary
  return [
    { iri: cr('arrayShape'), key: 'arrayShape', literals: ['Text'] },
    { iri: cr('isArray'), key: 'isArray', literals: ['Boolean'] },
    { iri: cr('repeated'), key: 'repeated', literals: ['Boolean'] },
    { iri: cr('equivalentProperty'), key: 'equivalentProperty', literals: ['URL'], many: true },
  ]
}

const typeOfValue = (value: LinkedValue): string[] => {
  if (value.kind === 'node') return [value.id]
  return value.kind === 'literal' && typeof value.value === 'string' ? [value.value] : []
}

const readParentField = (check: CroissantCheck, subject: Subject): void => {
  const rule = { iri: check.vocabulary.cr('parentField'), key: 'parentField', nodes: [null] }
  for (const value of readProperty(check, subject, rule)) {
    const node = targetOf(check, value)
    if (!node) continue
    readSource(check, { node, path: subject.path }, 'references')
    readSource(check, { node, path: subject.path }, 'source')
  }
}

const readSubFields = (
  check: CroissantCheck,
  subject: Subject,
  id: string,
  outer: readonly LinkedNode[],
): FieldModel[] => {
  const { cr } = check.vocabulary
  const rule = { iri: cr('subField'), key: 'subField', nodes: [cr('Field')], many: true }
  const inside = [...outer, subject.node]
  return readProperty(check, subject, rule).flatMap((value) => {
    const node = targetOf(check, value)
    if (!node) return []
    if (!inside.includes(node) && inside.length <= maxSubFields) {
      return [readField(check, subjectIn(check, subject.path, 'Field', node), { id }, inside)]
    }
    addError(check, subject, {
      rule: 'sub-field-cycle',
      pointer: value.pointer,
      message: `"${nodeLabel(check, node)}" is nested in itself, or in more than ${maxSubFields} fields`,
      fix: 'Give the nested field an id of its own.',
    })
    return []
  })
}

const checkArrayShape = (check: CroissantCheck, subject: Subject): void => {
  const { cr } = check.vocabulary
  const shape = firstText(subject.node, cr('arrayShape'))
  if (shape === '') return
  const pointer = subject.node.properties.get(cr('arrayShape'))?.[0]?.pointer
  const [isArray] = subject.node.properties.get(cr('isArray')) ?? []
  const label = nodeLabel(check, subject.node)
  if (isArray?.kind !== 'literal' || isArray.value !== true) {
    addError(check, subject, {
      rule: 'array-shape',
      pointer,
      message: `Field ${label} defines \`array_shape\`, but \`is_array\` is False.`,
      fix: 'Add "isArray": true, or remove "arrayShape".',
    })
  }
  if (!shape.split(',').every((one) => /^\s*[+-]?\d+(_\d+)*\s*$/.test(one))) {
    addError(check, subject, {
      rule: 'array-shape',
      pointer,
      message: `Field ${label}'s attribute array_shape \`${shape}\` cannot be parsed as a tuple of comma-separated values.`,
      fix: 'Write the sizes of the dimensions with commas between them, such as "3,-1"; -1 is an unknown size.',
    })
  }
}
