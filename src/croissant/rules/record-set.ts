import { isObject } from '../../lib/json/json-object.ts'
import type { LinkedNode } from '../json-ld/linked-graph.ts'
import { addError, type CroissantCheck, type Subject } from './check.ts'
import { checkName, idOf, readField, subjectIn } from './field.ts'
import type { FieldModel, RecordSetModel } from './model.ts'
import { readProperty, targetOf } from './property.ts'

/** Reads a record set with its fields, and checks the records that stand in it. */
export const readRecordSet = (check: CroissantCheck, subject: Subject): RecordSetModel => {
  const { cr } = check.vocabulary
  const id = idOf(check, subject.node)
  checkName(check, subject)
  const rule = { iri: cr('field'), key: 'field', nodes: [cr('Field')], many: true }
  const nodes = readProperty(check, subject, rule).flatMap((value) => targetOf(check, value) ?? [])
  const fields = nodes.map((node) => readField(check, subjectIn(check, subject.path, 'Field', node), { id }))
  for (const key of ['data', 'examples']) checkJsonText(check, subject, key)
  return { ...subject, id, fields, hasData: checkData(check, subject, fields) }
}

/** The value of `data` or `examples` as it was written; undefined when there is none. */
const jsonOf = (
  check: CroissantCheck,
  subject: Subject,
  key: string,
): { value: unknown; pointer: string } | undefined => {
  const values = subject.node.properties.get(check.vocabulary.cr(key)) ?? []
  const [first] = values
  if (!first) return undefined
  if (values.length > 1 || (first.kind !== 'json' && first.kind !== 'literal')) {
    // Without "@type": "@json" in the context, records are nodes, whose keys are no ids of fields.
    return { value: values.map(() => ({ '@id': '' })), pointer: first.pointer }
  }
  const value = typeof first.value === 'string' ? parsedText(first.value) : first.value
  return { value, pointer: first.pointer }
}

const parsedText = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const checkJsonText = (check: CroissantCheck, subject: Subject, key: string): void => {
  const found = jsonOf(check, subject, key)
  if (typeof found?.value !== 'string' || found.value === '') return
  addError(check, subject, {
    rule: 'data-json',
    pointer: found.pointer,
    message: `${check.vocabulary.cr(key)} is not a proper list of JSON: ${found.value.slice(0, 100)}`,
    fix: `Write "${key}" as a list of objects, not as text.`,
  })
}

/** Checks the records of a record set, and tells whether it has any. */
const checkData = (check: CroissantCheck, subject: Subject, fields: readonly FieldModel[]): boolean => {
  const found = jsonOf(check, subject, 'data')
  if (!found || found.value === null || typeof found.value === 'string') return false
  const { value, pointer } = found
  const isEmpty = !value || (isObject(value) && Object.keys(value).length === 0)
  if (isEmpty || (Array.isArray(value) && value.length === 0)) {
    const what = Array.isArray(value) ? 'a non empty list' : 'a list'
    reportData(check, subject, pointer, `${check.vocabulary.cr('data')} should declare ${what}.`)
    return false
  }
  checkRecords(check, subject, fields, Array.isArray(value) ? value : [value], pointer)
  return true
}

const reportData = (check: CroissantCheck, subject: Subject, pointer: string, message: string): void =>
  addError(check, subject, {
    rule: 'data',
    pointer,
    message,
    fix: 'Write a list of objects, each with the ids of all fields as its keys; or remove "data".',
  })

const checkRecords = (
  check: CroissantCheck,
  subject: Subject,
  fields: readonly FieldModel[],
  records: readonly unknown[],
  pointer: string,
): void => {
  const { sc, version } = check.vocabulary
  const expected = new Set(fields.map((field) => (version === '0.8' ? nameOf(field.node, sc('name')) : field.id)))
  for (const [index, record] of records.entries()) {
    if (!isObject(record)) {
      reportData(check, subject, `${pointer}/${index}`, `${check.vocabulary.cr('data')} should declare a list of dict.`)
      return
    }
    const keys = Object.keys(record)
    if (keys.length === expected.size && keys.every((key) => expected.has(key))) continue
    const listed = (names: Iterable<string>) =>
      `{${[...names]
        .slice(0, 20)
        .map((name) => `'${name}'`)
        .join(', ')}}`
    addError(check, subject, {
      rule: 'data-columns',
      pointer: `${pointer}/${index}`,
      message: `Line #${index} doesn't have the expected columns. Expected: ${listed(expected)}. Got: ${listed(keys)}.`,
      fix:
        'Use the ids of all fields of the record set as the keys of each record, and no others. ' +
        'The @context must say {"data": {"@id": "cr:data", "@type": "@json"}}.',
    })
  }
}

const nameOf = (node: LinkedNode, property: string): string => {
  const [value] = node.properties.get(property) ?? []
  return value?.kind === 'literal' ? String(value.value) : ''
}
