import { isObject, jsonOrText } from '../../lib/json/json-object.ts'
import {
  addError,
  addWarning,
  authorId,
  type CroissantCheck,
  firstLiteral,
  firstText,
  nodeLabel,
  placeOf,
  readProperties,
  readProperty,
  type Subject,
  schemaOrg,
  targetsOf,
  valuesOf,
} from './check.ts'
import type { LinkedNode, LinkedValue } from './json-ld.ts'
import { isIsoDate, isJsonPath } from './text-forms.ts'

/** A reference to another node, and where it stands. */
export interface Reference {
  id: string
  pointer: string
}

/** What a `source` or `references` says. `origin` is undefined when it names none, or several. */
interface SourceModel {
  origin: Reference | undefined
}

/** A node that others may refer to. */
export interface Described extends Subject {
  /** The id that references use. */
  id: string
}

interface FileModel extends Described {
  containedIn: Reference[]
}

export interface FieldModel extends Described {
  /** The id of the record set. */
  recordSet: string
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

/** Properties of a dataset that need nothing but a type. In 0.8 "citeAs" is "citation". */
const datasetProperties = {
  ...{ 'sc:url': 'URL', 'sc:version': 'Integer Number Text', 'sc:keywords': 'Text URL *', 'sc:sameAs': 'URL *' },
  ...{ 'sc:inLanguage': 'Language Text *', 'rai:annotationsPerItem': 'Text', 'rai:dataCollection': 'Text' },
  ...{ 'rai:dataCollectionMissingData': 'Text', 'rai:dataCollectionRawData': 'Text' },
  ...{ 'rai:dataImputationProtocol': 'Text', 'rai:dataManipulationProtocol': 'Text', 'rai:dataSocialImpact': 'Text' },
  ...{ 'rai:dataReleaseMaintenancePlan': 'Text', 'rai:annotatorDemographics': 'Text *' },
  ...{ 'rai:dataAnnotationAnalysis': 'Text *', 'rai:dataAnnotationPlatform': 'Text *' },
  ...{ 'rai:dataAnnotationProtocol': 'Text *', 'rai:dataBiases': 'Text *', 'rai:dataCollectionType': 'Text *' },
  ...{ 'rai:dataLimitations': 'Text *', 'rai:dataPreprocessingProtocol': 'Text *', 'rai:dataUseCases': 'Text *' },
  ...{ 'rai:machineAnnotationTools': 'Text *', 'rai:personalSensitiveInformation': 'Text *' },
}

const relatedNodes = {
  ...{ 'sc:license': 'Text URL sc:CreativeWork *', 'sc:sdLicense': 'Text URL sc:CreativeWork *' },
  ...{ 'sc:creator': 'sc:Organization sc:Person *', 'sc:publisher': 'sc:Organization sc:Person *' },
}

/** Reads a dataset with everything in it, and checks each node on its own. */
export const readDataset = (check: CroissantCheck, subject: Subject): DatasetModel => {
  const { node, path } = subject
  const [type] = node.types
  if (type !== `${schemaOrg}Dataset`) {
    addError(check, subject, {
      rule: 'node-type',
      pointer: node.typePointer,
      message: `"${nodeLabel(check, node)}" should have an attribute "@type": "${schemaOrg}Dataset". Got ${type} instead.`,
      fix: 'Put "sc:Dataset" first in the list of types.',
    })
  }
  checkName(check, subject)
  readProperty(check, subject, check.version === '0.8' ? 'sc:citation' : 'cr:citeAs', 'Text')
  readProperties(check, subject, datasetProperties)
  for (const key of ['dateCreated', 'dateModified', 'datePublished']) checkDate(check, subject, key)
  for (const [name, expected] of Object.entries(relatedNodes)) {
    for (const target of targetsOf(check, readProperty(check, subject, name, expected))) {
      const kind = target.types[0]?.slice(schemaOrg.length) ?? ''
      const email = kind === 'CreativeWork' ? {} : { 'sc:email': 'Text *' }
      const expectedInside = { 'sc:name': 'Text *', 'sc:description': 'Text *', ...email, 'sc:url': 'Text' }
      readProperties(check, subjectIn(check, path, kind, target), expectedInside)
    }
  }
  adviseVersion(check, subject)
  const distribution = readProperty(check, subject, 'sc:distribution', 'cr:FileObject cr:FileSet *')
  const files = targetsOf(check, distribution).map((file) =>
    file.types[0] === check.iri('cr:FileObject')
      ? readFileObject(check, subjectIn(check, path, 'FileObject', file))
      : readFileSet(check, subjectIn(check, path, 'FileSet', file)),
  )
  const recordSets = targetsOf(check, readProperty(check, subject, 'cr:recordSet', 'cr:RecordSet *')).map((one) =>
    readRecordSet(check, subjectIn(check, path, 'RecordSet', one)),
  )
  return { ...subject, id: idOf(check, node), files, recordSets }
}

const checkDate = (check: CroissantCheck, subject: Subject, key: string): void => {
  const [value] = readProperty(check, subject, `sc:${key}`, 'Date DateTime')
  if (value?.kind !== 'literal' || typeof value.value !== 'string' || isIsoDate(value.value)) return
  addError(check, subject, {
    rule: 'date',
    pointer: value.pointer,
    message: `Dates or DateTimes should follow the [ISO 8601 format](https://en.wikipedia.org/wiki/ISO_8601). Got ${value.value}`,
    fix: `Write "${key}" as in 2024-05-31 or 2024-05-31T12:00:00Z.`,
  })
}

const semanticVersion = /^\d+(\.\d+(\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)?)?$/

const adviseVersion = (check: CroissantCheck, subject: Subject): void => {
  const version = firstText(check, subject.node, 'sc:version')
  if (version === '' || semanticVersion.test(version)) return
  addWarning(check, subject, {
    rule: 'version',
    pointer: placeOf(check, subject.node, 'sc:version'),
    message: `Version doesn't follow MAJOR.MINOR.PATCH: ${version}. For more information refer to: https://semver.org/spec/v2.0.0.html`,
    fix: 'Write the version as three numbers, such as "1.0.0".',
  })
}

/** The id of a node: what its author wrote, else that of its blank node. In 0.8 it is a path of names. */
const idOf = (check: CroissantCheck, node: LinkedNode, parent?: string): string => {
  if (check.version !== '0.8') return authorId(check, node.id) ?? node.id
  const name = firstText(check, node, 'sc:name')
  return parent === undefined ? name : `${parent}/${name}`
}

/** The path of a node below another, with the name or the id of the node. */
const subjectIn = (check: CroissantCheck, outer: string, type: string, node: LinkedNode): Subject => ({
  node,
  path: `${outer} > ${type}(${firstText(check, node, 'sc:name') || (authorId(check, node.id) ?? '')})`,
})

/** Checks name and description. 0.8 needs the name as an id. */
const checkName = (check: CroissantCheck, subject: Subject): void => {
  readProperties(check, subject, { 'sc:name': 'Text *1.1', 'sc:description': 'Text *1.1' })
  const name = firstText(check, subject.node, 'sc:name')
  if (check.version !== '0.8' || /^[a-zA-Z0-9\-_.]{1,255}$/.test(name)) return
  addError(check, subject, {
    rule: 'name',
    message: name
      ? `The name "${name}" contains forbidden characters.`
      : `Property "${check.iri('sc:name')}" is mandatory, but does not exist.`,
    fix: 'Give it a name of letters, digits, "-", "_" and ".": Croissant 0.8 uses names as ids.',
  })
}

/** Reports a property without a first value that is accepted and not empty. */
const requireText = (check: CroissantCheck, subject: Subject, name: string, expected: string, fix: string): void => {
  const [value, second] = readProperty(check, subject, name, expected)
  if (value?.kind === 'literal' && (value.value !== '' || second)) return
  addError(check, subject, {
    rule: 'required',
    pointer: placeOf(check, subject.node, name),
    message: `Property "${check.iri(name)}" is mandatory, but does not exist.`,
    fix,
  })
}

/** Checks the media types of a file. Only since 1.1 there may be several; before, a second one is advised against. */
const requireFormat = (check: CroissantCheck, subject: Subject): void => {
  const fix = 'Add "encodingFormat", the media type of the file, such as "text/csv".'
  requireText(check, subject, 'sc:encodingFormat', 'Text *1.1', fix)
}

/** Reads a file object: a file that can be downloaded, or that is in another one. */
const readFileObject = (check: CroissantCheck, subject: Subject): FileModel => {
  checkName(check, subject)
  const containedIn = readContainers(check, subject)
  requireFormat(check, subject)
  const fix = 'Add "contentUrl", or "containedIn" for a file inside of another one.'
  if (containedIn.length > 0) readProperty(check, subject, 'sc:contentUrl', 'URL')
  else requireText(check, subject, 'sc:contentUrl', 'URL', fix)
  readProperties(check, subject, { 'sc:contentSize': 'Text', 'sc:sameAs': 'URL *' })
  const sums = ['cr:md5', 'sc:sha256'].flatMap((name) => readProperty(check, subject, name, 'Text'))
  if (containedIn.length === 0 && sums.length === 0 && !check.isLive) {
    addError(check, subject, {
      rule: 'checksum',
      message: "At least one of these properties should be defined: ['md5', 'sha256'].",
      fix: 'Add "sha256" with the hash of the file, or "isLiveDataset": true to a dataset whose files change.',
    })
  }
  readSource(check, subject, 'source')
  return { ...subject, id: idOf(check, subject.node), containedIn }
}

/** Reads a file set: files of one kind in an archive or a folder. */
const readFileSet = (check: CroissantCheck, subject: Subject): FileModel => {
  checkName(check, subject)
  const fix = 'Add "includes" with a pattern of the files that belong to the set, such as "images/*.jpg".'
  requireText(check, subject, 'cr:includes', 'Text *1.1', fix)
  requireFormat(check, subject)
  readProperty(check, subject, 'cr:excludes', 'Text *')
  return { ...subject, id: idOf(check, subject.node), containedIn: readContainers(check, subject) }
}

/** Reads the id to which a value refers. A value without an id gets one that no node has. */
const referenceOf = (check: CroissantCheck, value: LinkedValue): Reference => {
  const { pointer } = value
  if (value.kind === 'node') return { id: authorId(check, value.id) ?? value.id, pointer }
  if (value.kind === 'literal' && typeof value.value === 'string') return { id: value.value, pointer }
  return { id: `_: at ${pointer}`, pointer }
}

/** Reads the files that a file is in. In 1.1 "containedIn" is a term of Croissant, and may be a data source. */
const readContainers = (check: CroissantCheck, { node, path }: Subject): Reference[] => {
  if (check.version !== '1.1') return valuesOf(check, node, 'sc:containedIn').map((one) => referenceOf(check, one))
  const values = [...valuesOf(check, node, 'sc:containedIn'), ...valuesOf(check, node, 'cr:containedIn')]
  return values.flatMap((value) => {
    const [target] = targetsOf(check, [value])
    const isSource = ['cr:fileObject', 'cr:fileSet', 'cr:transform'].some((key) =>
      target?.properties.has(check.iri(key)),
    )
    return target && isSource
      ? (readSourceNode(check, { node: target, path }, 'source').origin ?? [])
      : [referenceOf(check, value)]
  })
}

/** Reads a `source` or `references`; undefined where there is none. Only the JSONPath of a source is parsed. */
const readSource = (check: CroissantCheck, subject: Subject, key: 'source' | 'references'): SourceModel | undefined => {
  const nodes = targetsOf(check, readProperty(check, subject, `cr:${key}`, '{}'))
  return nodes.map((node) => readSourceNode(check, { node, path: subject.path }, key))[0]
}

const readSourceNode = (check: CroissantCheck, subject: Subject, key: 'source' | 'references'): SourceModel => {
  const { node, path } = subject
  for (const extract of targetsOf(check, readProperty(check, subject, 'cr:extract', '{}'))) {
    checkExtract(check, { node: extract, path }, key === 'source')
  }
  readProperties(check, subject, { 'cr:format': 'Text', 'cr:samplingRate': 'Integer' })
  for (const transform of targetsOf(check, readProperty(check, subject, 'cr:transform', '{} *'))) {
    checkTransform(check, { node: transform, path })
  }
  const names = check.version === '0.8' ? ['cr:field', 'sc:distribution'] : ['cr:field', 'cr:fileObject', 'cr:fileSet']
  const [origin, second] = names.flatMap((name) => valuesOf(check, node, name))
  if (origin && !second) return { origin: referenceOf(check, origin) }
  const keys = names.map((name) => `"${name.slice(3)}"`).join(', ')
  addError(check, subject, {
    rule: 'source-origin',
    message: `Source should have one of the following properties ${names.map(check.iri).join(' or ')}.`,
    fix: `Name the origin of the values once, under one of ${keys}, such as {"fileObject": {"@id": "table"}}.`,
  })
  return { origin: undefined }
}

const fileProperties = ['content', 'filename', 'filepath', 'fullpath', 'lines', 'lineNumbers']

const checkExtract = (check: CroissantCheck, subject: Subject, isSource: boolean): void => {
  const { node } = subject
  const names = ['cr:column', 'cr:fileProperty', 'cr:jsonPath']
  for (const name of names) readProperty(check, subject, name, 'Text')
  if (names.filter((name) => firstText(check, node, name) !== '').length !== 1) {
    addError(check, subject, {
      rule: 'extract-one',
      message: `Extract should have one of the following properties ${names.map(check.iri).join(' or ')}.`,
      fix: 'Keep exactly one of "column", "fileProperty" and "jsonPath".',
    })
  }
  const fileProperty = firstText(check, node, 'cr:fileProperty')
  if (valuesOf(check, node, 'cr:fileProperty').length > 0 && !fileProperties.includes(fileProperty)) {
    addError(check, subject, {
      rule: 'file-property',
      pointer: placeOf(check, node, 'cr:fileProperty'),
      message: `Property fileProperty can only have values in \`${fileProperties.join('`, `')}\`. Got: ${fileProperty}`,
      fix: `Use one of ${fileProperties.join(', ')}.`,
    })
  }
  const jsonPath = firstText(check, node, 'cr:jsonPath')
  if (isSource && jsonPath !== '' && !isJsonPath(jsonPath)) {
    addError(check, subject, {
      rule: 'json-path',
      pointer: placeOf(check, node, 'cr:jsonPath'),
      message: `Wrong JSONPath (https://goessner.net/articles/JsonPath/): ${jsonPath}`,
      fix: 'Write a path such as $.items[*].name; filters and scripts are not supported.',
    })
  }
}

const checkTransform = (check: CroissantCheck, subject: Subject): void => {
  const texts = ['format', 'jsonPath', 'regex', 'replace', 'separator']
  const flags = ['readLines', 'unArchive']
  for (const key of texts) readProperty(check, subject, `cr:${key}`, 'Text')
  for (const key of flags) readProperty(check, subject, `cr:${key}`, 'Boolean')
  readProperty(check, subject, 'cr:samplingRate', 'Integer')
  const given = texts.filter((key) => firstText(check, subject.node, `cr:${key}`) !== '').length
  if (given > 1) {
    addError(check, subject, {
      rule: 'transform-one',
      message: `Too many string transforms. Exactly one of these properties should be defined: ${texts.join(', ')}.`,
      fix: 'Split the transform: "transform" may be a list, applied in order.',
    })
  } else if (given === 0 && !flags.some((key) => firstLiteral(check, subject.node, `cr:${key}`) === true)) {
    addError(check, subject, {
      rule: 'transform-empty',
      message: `At least one transform must be defined. Choose among: ${[...texts, ...flags].join(', ')}.`,
      fix: 'Define one of them, or remove the transform.',
    })
  }
}

const fieldProperties = {
  ...{ 'cr:arrayShape': 'Text', 'cr:isArray': 'Boolean', 'cr:repeated': 'Boolean', 'cr:equivalentProperty': 'URL *' },
}

/** Where a field is. */
interface FieldPlace {
  recordSet: string
  /** The id of the field or the record set around it. */
  parent: string
  /** The fields around it. */
  outer: readonly LinkedNode[]
}

/** Reads a field and those in it. */
const readField = (check: CroissantCheck, subject: Subject, { recordSet, parent, outer }: FieldPlace): FieldModel => {
  const { node, path } = subject
  const id = idOf(check, node, parent)
  checkName(check, subject)
  readProperties(check, subject, fieldProperties)
  if (check.version === '0.8') readProperty(check, subject, 'cr:isEnumeration', 'Boolean')
  checkArrayShape(check, subject)
  for (const around of targetsOf(check, readProperty(check, subject, 'cr:parentField', '{}'))) {
    readSource(check, { node: around, path }, 'references')
    readSource(check, { node: around, path }, 'source')
  }
  return {
    ...{ ...subject, id, recordSet },
    types: valuesOf(check, node, 'cr:dataType').flatMap((value) => {
      if (value.kind === 'node') return value.id
      return value.kind === 'literal' && typeof value.value === 'string' ? value.value : []
    }),
    references: readSource(check, subject, 'references'),
    source: readSource(check, subject, 'source'),
    // Many documents do not map "value", which then is a term of schema.org.
    hasValue: ['cr:value', 'sc:value'].some((name) => node.properties.has(check.iri(name))),
    subFields: readSubFields(check, subject, { recordSet, parent: id, outer: [...outer, node] }),
  }
}

const maxSubFields = 20

const readSubFields = (check: CroissantCheck, subject: Subject, place: FieldPlace): FieldModel[] =>
  readProperty(check, subject, 'cr:subField', 'cr:Field *').flatMap((value) =>
    targetsOf(check, [value]).flatMap((node) => {
      if (!place.outer.includes(node) && place.outer.length <= maxSubFields) {
        return [readField(check, subjectIn(check, subject.path, 'Field', node), place)]
      }
      addError(check, subject, {
        rule: 'sub-field-cycle',
        pointer: value.pointer,
        message: `"${nodeLabel(check, node)}" is nested in itself, or in more than ${maxSubFields} fields`,
        fix: 'Give the nested field an id of its own.',
      })
      return []
    }),
  )

const checkArrayShape = (check: CroissantCheck, subject: Subject): void => {
  const { node } = subject
  const shape = firstText(check, node, 'cr:arrayShape')
  if (shape === '') return
  const field = `Field ${nodeLabel(check, node)}`
  const found = { rule: 'array-shape', pointer: placeOf(check, node, 'cr:arrayShape') }
  if (firstLiteral(check, node, 'cr:isArray') !== true) {
    addError(check, subject, {
      ...found,
      message: `${field} defines \`array_shape\`, but \`is_array\` is False.`,
      fix: 'Add "isArray": true, or remove "arrayShape".',
    })
  }
  if (!shape.split(',').every((one) => /^\s*[+-]?\d+(_\d+)*\s*$/.test(one))) {
    addError(check, subject, {
      ...found,
      message: `${field}'s attribute array_shape \`${shape}\` cannot be parsed as a tuple of comma-separated values.`,
      fix: 'Write the sizes of the dimensions with commas between them, such as "3,-1"; -1 is an unknown size.',
    })
  }
}

/** Reads a record set with its fields, and checks the records that stand in it. */
const readRecordSet = (check: CroissantCheck, subject: Subject): RecordSetModel => {
  const id = idOf(check, subject.node)
  checkName(check, subject)
  const fields = targetsOf(check, readProperty(check, subject, 'cr:field', 'cr:Field *')).map((node) =>
    readField(check, subjectIn(check, subject.path, 'Field', node), { recordSet: id, parent: id, outer: [] }),
  )
  const data = readJson(check, subject, 'data')
  readJson(check, subject, 'examples')
  return { ...subject, id, fields, hasData: data !== undefined && checkData(check, subject, fields, data) }
}

/** The value of `data` or `examples`; undefined when there is none. Text that is no JSON is reported. */
const readJson = (check: CroissantCheck, subject: Subject, key: string): unknown => {
  const values = valuesOf(check, subject.node, `cr:${key}`)
  const [first] = values
  if (!first) return undefined
  // Without "@type": "@json" in the context, records are nodes, whose keys are no ids of fields.
  if (values.length > 1 || (first.kind !== 'json' && first.kind !== 'literal')) return values.map(() => ({ '@id': '' }))
  const text = first.value
  if (typeof text !== 'string') return text
  const value = jsonOrText(text)
  if (typeof value !== 'string') return value
  if (value !== '') {
    addError(check, subject, {
      rule: 'data-json',
      pointer: first.pointer,
      message: `${check.iri(`cr:${key}`)} is not a proper list of JSON: ${value.slice(0, 100)}`,
      fix: `Write "${key}" as a list of objects, not as text.`,
    })
  }
  return undefined
}

/** Checks the records of a record set. Returns whether it has records. */
const checkData = (check: CroissantCheck, subject: Subject, fields: readonly FieldModel[], data: unknown): boolean => {
  if (data === null) return false
  const place = placeOf(check, subject.node, 'cr:data') ?? ''
  const report = (pointer: string, what: string) =>
    addError(check, subject, {
      rule: 'data',
      pointer,
      message: `${check.iri('cr:data')} should declare ${what}.`,
      fix: 'Write a list of objects, each with the ids of all fields as its keys; or remove "data".',
    })
  const isEmpty = typeof data === 'object' ? Object.keys(data).length === 0 : !data
  if (isEmpty) {
    report(place, Array.isArray(data) ? 'a non empty list' : 'a list')
    return false
  }
  const isNamed = check.version === '0.8'
  const expected = new Set(
    fields.map(({ id, node }) => (isNamed ? String(firstLiteral(check, node, 'sc:name') ?? '') : id)),
  )
  for (const [index, record] of (Array.isArray(data) ? data : [data]).entries()) {
    if (!isObject(record)) {
      report(`${place}/${index}`, 'a list of dict')
      break
    }
    const keys = Object.keys(record)
    if (keys.length === expected.size && keys.every((key) => expected.has(key))) continue
    addError(check, subject, {
      rule: 'data-columns',
      pointer: `${place}/${index}`,
      message: `Line #${index} doesn't have the expected columns. Expected: ${listed(expected)}. Got: ${listed(keys)}.`,
      fix:
        'Use the ids of all fields of the record set as the keys of each record, and no others. ' +
        'The @context must say {"data": {"@id": "cr:data", "@type": "@json"}}.',
    })
  }
  return true
}

const listed = (names: Iterable<string>): string => {
  const quoted = [...names].slice(0, 20).map((name) => `'${name}'`)
  return `{${quoted.join(', ')}}`
}
