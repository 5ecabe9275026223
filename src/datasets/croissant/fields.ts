import { isObject, jsonOrText } from '../../lib/json/json-object.ts'
import {
  addError,
  authorId,
  type CroissantCheck,
  firstText,
  nodeLabel,
  type PropertyRule,
  readProperty,
  type Subject,
  targetOf,
} from './check.ts'
import type { LinkedNode, LinkedValue } from './json-ld.ts'
import { isJsonPath } from './text-forms.ts'

/** A reference to another node, and where it stands. */
export interface Reference {
  id: string
  pointer: string
}

/** What a `source` or `references` says. `origin` is undefined when it names none, or several. */
interface SourceModel {
  origin: Reference | undefined
  pointer: string
}

interface Described extends Subject {
  /** The id that references use. */
  id: string
}

export interface FileModel extends Described {
  containedIn: Reference[]
}

export interface FieldModel extends Described {
  types: string[]
  source: SourceModel | undefined
  references: SourceModel | undefined
  hasValue: boolean
  subFields: FieldModel[]
}

export interface RecordSetModel extends Described {
  fields: FieldModel[]
  /** Whether it has its records in the document. */
  hasData: boolean
}

/** The parts of a dataset that refer to each other. */
export interface DatasetModel extends Described {
  files: FileModel[]
  recordSets: RecordSetModel[]
}

/** Reads the id to which a value refers. A value without an id gets one that no node has. */
const referenceOf = (check: CroissantCheck, value: LinkedValue): Reference => {
  const { pointer } = value
  if (value.kind === 'node') return { id: authorId(check, value.id) ?? value.id, pointer }
  if (value.kind === 'literal' && typeof value.value === 'string') return { id: value.value, pointer }
  return { id: `_: at ${pointer}`, pointer }
}

/** Reads the files that a file is in. In 1.1 "containedIn" is a term of Croissant, and may be a data source. */
export const readContainers = (check: CroissantCheck, subject: Subject): Reference[] => {
  const { cr, sc, version } = check.vocabulary
  const properties = version === '1.1' ? [sc('containedIn'), cr('containedIn')] : [sc('containedIn')]
  return properties.flatMap((property) =>
    (subject.node.properties.get(property) ?? []).flatMap((value) => {
      const node = version === '1.1' ? targetOf(check, value) : undefined
      const isSource = node && ['fileObject', 'fileSet', 'transform'].some((key) => node.properties.has(cr(key)))
      if (!isSource) return [referenceOf(check, value)]
      const { origin } = readSourceNode(check, { node, path: subject.path }, 'source')
      return origin ? [origin] : []
    }),
  )
}

const fileProperties = ['content', 'filename', 'filepath', 'fullpath', 'lines', 'lineNumbers']

/** Runs a rule for each node that a property may have, and returns the first result. */
const eachNode = <T>(
  check: CroissantCheck,
  values: readonly LinkedValue[],
  read: (node: LinkedNode) => T,
): T | undefined => {
  const results = values.flatMap((value) => {
    const node = value.kind === 'node' ? check.graph.nodes.get(value.id) : undefined
    return node ? [read(node)] : []
  })
  return results[0]
}

/** Reads a `source` or `references`; undefined where there is none. Only the JSONPath of a source is parsed. */
export const readSource = (
  check: CroissantCheck,
  subject: Subject,
  key: 'source' | 'references',
): SourceModel | undefined => {
  const values = readProperty(check, subject, { iri: check.vocabulary.cr(key), key, nodes: [null] })
  return eachNode(check, values, (node) => readSourceNode(check, { node, path: subject.path }, key))
}

const readSourceNode = (check: CroissantCheck, subject: Subject, key: 'source' | 'references'): SourceModel => {
  const { cr, sc, version } = check.vocabulary
  const keys =
    version === '0.8'
      ? [
          { key: 'field', iri: cr('field') },
          { key: 'distribution', iri: sc('distribution') },
        ]
      : ['field', 'fileObject', 'fileSet'].map((one) => ({ key: one, iri: cr(one) }))
  const extracts = readProperty(check, subject, { iri: cr('extract'), key: 'extract', nodes: [null] })
  eachNode(check, extracts, (node) => checkExtract(check, { node, path: subject.path }, key === 'source'))
  readProperty(check, subject, { iri: cr('format'), key: 'format', literals: ['Text'] })
  readProperty(check, subject, { iri: cr('samplingRate'), key: 'samplingRate', literals: ['Integer'] })
  const transforms = readProperty(check, subject, { iri: cr('transform'), key: 'transform', nodes: [null], many: true })
  eachNode(check, transforms, (node) => checkTransform(check, { node, path: subject.path }))
  const named = keys
    .map((one) => (subject.node.properties.get(one.iri) ?? []).map((value) => referenceOf(check, value)))
    .filter((found) => found.length > 0)
  const origin = readOrigin(check, subject, named, keys)
  return { origin, pointer: subject.node.pointer }
}

const readOrigin = (
  check: CroissantCheck,
  subject: Subject,
  named: Reference[][],
  keys: readonly { key: string; iri: string }[],
): Reference | undefined => {
  const [only] = named
  if (named.length === 1 && only?.length === 1) return only[0]
  const names = keys.map(({ key }) => `"${key}"`).join(', ')
  addError(check, subject, {
    rule: 'source-origin',
    message: `Source should have one of the following properties ${keys.map(({ iri }) => iri).join(' or ')}.`,
    fix: `Name the origin of the values once, under one of ${names}, such as {"fileObject": {"@id": "table"}}.`,
  })
  return undefined
}

const checkExtract = (check: CroissantCheck, subject: Subject, isSource: boolean): void => {
  const { cr } = check.vocabulary
  const keys = ['column', 'fileProperty', 'jsonPath']
  for (const key of keys) readProperty(check, subject, { iri: cr(key), key, literals: ['Text'] })
  const texts = keys.map((key) => firstText(subject.node, cr(key)))
  if (texts.filter((text) => text !== '').length !== 1) {
    addError(check, subject, {
      rule: 'extract-one',
      message: `Extract should have one of the following properties ${keys.map(cr).join(' or ')}.`,
      fix: 'Keep exactly one of "column", "fileProperty" and "jsonPath".',
    })
  }
  checkExtractTexts(check, subject, { fileProperty: texts[1] ?? '', jsonPath: isSource ? (texts[2] ?? '') : '' })
}

const checkExtractTexts = (
  check: CroissantCheck,
  subject: Subject,
  { fileProperty, jsonPath }: { fileProperty: string; jsonPath: string },
): void => {
  const pointerOf = (key: string) => subject.node.properties.get(check.vocabulary.cr(key))?.[0]?.pointer
  const hasProperty = (subject.node.properties.get(check.vocabulary.cr('fileProperty'))?.length ?? 0) > 0
  if (hasProperty && !fileProperties.includes(fileProperty)) {
    addError(check, subject, {
      rule: 'file-property',
      pointer: pointerOf('fileProperty'),
      message: `Property fileProperty can only have values in \`${fileProperties.join('`, `')}\`. Got: ${fileProperty}`,
      fix: `Use one of ${fileProperties.join(', ')}.`,
    })
  }
  if (jsonPath !== '' && !isJsonPath(jsonPath)) {
    addError(check, subject, {
      rule: 'json-path',
      pointer: pointerOf('jsonPath'),
      message: `Wrong JSONPath (https://goessner.net/articles/JsonPath/): ${jsonPath}`,
      fix: 'Write a path such as $.items[*].name; filters and scripts are not supported.',
    })
  }
}

const checkTransform = (check: CroissantCheck, subject: Subject): void => {
  const { cr } = check.vocabulary
  const texts = ['format', 'jsonPath', 'regex', 'replace', 'separator']
  const flags = ['readLines', 'unArchive']
  for (const key of texts) readProperty(check, subject, { iri: cr(key), key, literals: ['Text'] })
  for (const key of flags) readProperty(check, subject, { iri: cr(key), key, literals: ['Boolean'] })
  readProperty(check, subject, { iri: cr('samplingRate'), key: 'samplingRate', literals: ['Integer'] })
  const given = texts.filter((key) => firstText(subject.node, cr(key)) !== '').length
  const isFlagged = flags.some((key) => {
    const [value] = subject.node.properties.get(cr(key)) ?? []
    return value?.kind === 'literal' && value.value === true
  })
  if (given > 1) {
    addError(check, subject, {
      rule: 'transform-one',
      message: `Too many string transforms. Exactly one of these properties should be defined: ${texts.join(', ')}.`,
      fix: 'Split the transform: "transform" may be a list, applied in order.',
    })
  } else if (given === 0 && !isFlagged) {
    addError(check, subject, {
      rule: 'transform-empty',
      message: `At least one transform must be defined. Choose among: ${[...texts, ...flags].join(', ')}.`,
      fix: 'Define one of them, or remove the transform.',
    })
  }
}

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
const readField = (
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
    hasValue: hasConstant(check, subject.node),
    subFields: readSubFields(check, subject, id, outer),
  }
}

/** Whether a field has a constant value. Many documents do not map "value", which then is a term of schema.org. */
const hasConstant = ({ vocabulary: { cr, sc } }: CroissantCheck, node: LinkedNode): boolean =>
  [cr('value'), sc('value')].some((property) => node.properties.has(property))

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
  const value = typeof first.value === 'string' ? jsonOrText(first.value) : first.value
  return { value, pointer: first.pointer }
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
