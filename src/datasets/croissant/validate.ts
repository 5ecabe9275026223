import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import { jsonPointer } from '../../lib/json/json-pointer.ts'
import {
  addError,
  addWarning,
  type CroissantCheck,
  type CroissantFinding,
  type CroissantVersion,
  collectFindings,
  firstLiteral,
  firstText,
  nodeLabel,
  placeOf,
  type ReportFinding,
  readableTypes,
  type Subject,
  schemaOrg,
  targetsOf,
  termsOf,
  valuesOf,
  versionOfUri,
} from './check.ts'
import { expandDocument, isLanguageTag, type LinkedGraph, type LinkedNode } from './json-ld.ts'
import {
  type DatasetModel,
  type Described,
  type FieldModel,
  type RecordSetModel,
  type Reference,
  readDataset,
} from './nodes.ts'

/** The findings of a Croissant document, errors first. It is valid without an error. */
export const validateCroissant = (document: JsonObject): CroissantFinding[] => {
  const { report, sorted } = collectFindings()
  const isReadable = checkContext(document['@context'], report)
  if (!checkIds(document, report) || !isReadable) return sorted()
  const { graph, root } = expandDocument(document)
  const node = findDataset(graph, root)
  if (!node) {
    error(report, {
      pointer: Object.hasOwn(document, '@type') ? '/@type' : '',
      rule: 'dataset',
      message: "The current JSON-LD doesn't extend https://schema.org/Dataset.",
      fix: 'Set "@type" to "sc:Dataset", and "sc" to "https://schema.org/" in the @context.',
    })
    return sorted()
  }
  const version = readVersion(node, report)
  const check: CroissantCheck = { graph, version, iri: termsOf(version), report, isLive: false }
  const [live] = valuesOf(check, node, 'cr:isLiveDataset')
  const isLive = live !== undefined && !(live.kind === 'literal' && !live.value)
  checkNodes({ ...check, isLive }, node)
  return sorted()
}

/** The dataset of a document: its root, or else the first node that is one. */
const findDataset = (graph: LinkedGraph, root: string | undefined): LinkedNode | undefined => {
  const isDataset = (node: LinkedNode | undefined) => node?.types.includes(`${schemaOrg}Dataset`)
  const first = graph.nodes.get(root ?? '')
  return isDataset(first) ? first : [...graph.nodes.values()].find(isDataset)
}

/** The version of Croissant that a dataset says it conforms to. One that says nothing is of version 0.8. */
const readVersion = (node: LinkedNode, report: ReportFinding): CroissantVersion => {
  const values = node.properties.get('http://purl.org/dc/terms/conformsTo') ?? []
  const texts = values.map((value) => (value.kind === 'literal' ? value.value : ''))
  const version = texts.map(versionOfUri).find((one) => one !== undefined)
  if (version) return version
  const isAbsent = values.every((value) => value.kind === 'literal' && !value.value)
  report({
    severity: isAbsent ? 'warning' : 'error',
    pointer: values[0]?.pointer ?? node.pointer,
    node: null,
    rule: 'version',
    message: isAbsent
      ? 'The dataset has no conformsTo, so it is read as Croissant 0.8'
      : `At least one of the provided conformsTo should be a valid CroissantVersion. Got: ${texts.join(', ')}`,
    fix: 'Add "conformsTo": "http://mlcommons.org/croissant/1.1" as text, and "conformsTo": "dct:conformsTo" to the @context.',
  })
  return isAbsent ? '0.8' : '1.0'
}

const maxDepth = 100

type Fault = { pointer: string; rule: string; message: string; fix: string }

const error = (report: ReportFinding, fault: Fault): void => report({ severity: 'error', node: null, ...fault })

/** Checks the context, which must be right before a document can be read as JSON-LD. Returns whether it is. */
const checkContext = (context: unknown, report: ReportFinding): boolean => {
  const parts: unknown[] = Array.isArray(context) ? context : [context ?? {}]
  const placeOf = (index: number) => (Array.isArray(context) ? `/@context/${index}` : '/@context')
  if (parts.every(isObject)) return parts.every((one, index) => checkEntries(one, placeOf(index), report))
  const wrong = parts.findIndex((one) => !isObject(one))
  const isRemote = typeof parts[wrong] === 'string'
  error(report, {
    pointer: placeOf(wrong),
    rule: 'context',
    message: isRemote
      ? `@context should be a dictionary. Contexts of other servers are not fetched: ${parts[wrong]}`
      : '@context should be a dictionary.',
    fix: 'Write the @context that the specification recommends into the document, as an object.',
  })
  return false
}

/** Checks the entries of a context that say something about all of it. */
const checkEntries = (context: JsonObject, place: string, report: ReportFinding): boolean => {
  const { '@vocab': vocabulary = null, '@language': language = null } = context
  const isVocabulary = vocabulary === null || typeof vocabulary === 'string'
  const isLanguage = language === null || (typeof language === 'string' && isLanguageTag(language))
  if (isVocabulary && isLanguage) return true
  error(report, {
    pointer: `${place}/${isVocabulary ? '@language' : '@vocab'}`,
    rule: 'context',
    message: isVocabulary ? '@language is no language tag' : '@vocab is no IRI',
    fix: isVocabulary ? 'Write "@language": "en", or remove it.' : 'Write "@vocab": "https://schema.org/".',
  })
  return false
}

/** Checks the ids of all objects, also of those in data. Returns false where the document is nested too deeply. */
const checkIds = (document: JsonObject, report: ReportFinding): boolean => {
  const open: { value: unknown; place: (string | number)[] }[] = [{ value: document, place: [] }]
  for (let next = open.pop(); next; next = open.pop()) {
    const { value, place } = next
    if (typeof value !== 'object' || value === null) continue
    if (place.length > maxDepth) {
      error(report, {
        pointer: jsonPointer(place),
        rule: 'depth',
        message: `The document has values in more than ${maxDepth} objects and lists`,
        fix: 'Nest less: refer to nodes by their "@id".',
      })
      return false
    }
    if (isObject(value) && Object.hasOwn(value, '@id')) checkId(value['@id'], jsonPointer([...place, '@id']), report)
    const entries = Array.isArray(value) ? value.entries() : Object.entries(value)
    for (const [key, one] of entries) if (typeof one === 'object') open.push({ value: one, place: [...place, key] })
  }
  return true
}

const checkId = (id: unknown, pointer: string, report: ReportFinding): void => {
  if (typeof id === 'string' && !/\s/.test(id)) return
  error(report, {
    pointer,
    rule: 'id',
    message: `The dataset contains a wrong \`@id\`: '${String(id)}'. Note that currently we do not support \`@id\`s containing whitespaces (not even if URL-escaped).`,
    fix: 'Use a text without spaces, such as "my-table".',
  })
}

/** Checks the nodes of a dataset, and then what they say about each other. */
const checkNodes = (check: CroissantCheck, node: LinkedNode): void => {
  checkWalk(check, node)
  const dataset = readDataset(check, { node, path: `Metadata(${firstLiteral(check, node, 'sc:name') ?? ''})` })
  const { files, recordSets } = dataset
  const fields = recordSets.flatMap(withSubFields)
  const index = indexById(check, [dataset, ...files, ...recordSets, ...fields])
  for (const file of files) checkReferences(check, file, file.containedIn, index)
  for (const one of recordSets) checkReferences(check, one, originsOf(one), index)
  for (const one of recordSets) {
    if (!one.hasData && !originsOf(one).some(({ id }) => index.has(id)))
      for (const f of one.fields) checkOrphan(check, f)
  }
  for (const field of fields) checkConstant(check, field)
  for (const field of fields) checkDataType(check, field, index)
  for (const one of recordSets) checkJoins(check, one, index)
  checkCycles(check, dataset, index)
  adviseDataset(check, dataset)
}

const maxReferenceDepth = 300

/**
 * Follows all references from a node, each node once, as readers do that replace a reference by its node. Reports nodes
 * without content, which they cannot load, and chains of references that are too long for them.
 */
const checkWalk = (check: CroissantCheck, dataset: LinkedNode): void => {
  const visited = new Set<LinkedNode>()
  const visit = (node: LinkedNode, pointer: string, depth: number): boolean => {
    if (visited.has(node)) return true
    visited.add(node)
    const path = nodeLabel(check, node)
    if (depth > maxReferenceDepth) {
      addError(
        check,
        { node, path },
        {
          rule: 'depth',
          pointer,
          message: `"${path}" is behind a chain of too many references`,
          fix: 'Let references lead to their target in fewer steps.',
        },
      )
      return false
    }
    if (node.properties.size === 0 && node.types.length === 0) {
      addError(
        check,
        { node, path },
        {
          rule: 'empty-node',
          pointer,
          message: `"${path}" is an object without content, which readers cannot load`,
          fix: 'Fill in the object, or remove the key that holds it.',
        },
      )
    }
    const values = [...node.properties.keys()].sort().flatMap((property) => node.properties.get(property) ?? [])
    return values.every((value) => targetsOf(check, [value]).every((one) => visit(one, value.pointer, depth + 1)))
  }
  visit(dataset, dataset.pointer, 0)
}

/** All nodes of a dataset to which references may lead, by id. */
type Index = ReadonlyMap<string, Described>

/** Indexes nodes by id, and reports ids that two of them have: as in the reference implementation, the later counts. */
const indexById = (check: CroissantCheck, nodes: readonly Described[]): Index => {
  const index = new Map<string, Described>()
  for (const node of nodes) {
    if (index.has(node.id)) {
      addError(check, node, {
        rule: 'duplicate-id',
        message: `Duplicate nodes with the same identifier: ${node.id}`,
        fix: 'Give each node an "@id" of its own; that of a field usually begins with the id of its record set.',
      })
    }
    index.set(node.id, node)
  }
  return index
}

const withSubFields = ({ fields }: RecordSetModel): FieldModel[] => fields.flatMap((one) => [one, ...one.subFields])

/** What the fields of a record set, and those in them, take values from or refer to. */
const originsOf = (recordSet: RecordSetModel): Reference[] =>
  withSubFields(recordSet).flatMap(({ source, references }) => [source?.origin ?? [], references?.origin ?? []].flat())

/** The field to which a reference leads, if it is one. */
const fieldAt = (index: Index, origin: Reference | undefined): FieldModel | undefined => {
  const node = index.get(origin?.id ?? '')
  return node && 'subFields' in node ? (node as FieldModel) : undefined
}

/** Reports references to nodes that do not exist. */
const checkReferences = (check: CroissantCheck, subject: Described, to: readonly Reference[], index: Index): void => {
  for (const { id, pointer } of to) {
    if (index.has(id)) continue
    addError(check, subject, {
      rule: 'reference',
      pointer,
      message: `There is a reference to node with UUID "${id}" in node "${subject.id}", but this node doesn't exist.`,
      fix: 'Use the "@id" of a file, a file set or a field of this document.',
    })
  }
}

/** Reports a field without values in a record set that nothing feeds. */
const checkOrphan = (check: CroissantCheck, field: FieldModel): void => {
  const origin = field.source?.origin
  if (origin) {
    addError(check, field, {
      rule: 'source-missing',
      pointer: origin.pointer,
      message: `Malformed source data: ${origin.id}. It does not refer to any existing node.`,
      fix: 'Name an existing file, file set or field as the origin of the values.',
    })
  } else if (!field.hasValue && field.subFields.length === 0) {
    addError(check, field, {
      rule: 'source-required',
      message: `Field ${field.id} does not define \`source\` or \`value\`. Please specify exactly one of them.`,
      fix: 'Add a "source" that says which file or column the values come from, or "data" to the record set.',
    })
  }
}

/** Reports a field that has both a constant and a source. */
const checkConstant = (check: CroissantCheck, field: FieldModel): void => {
  if (!field.hasValue || !field.source) return
  addError(check, field, {
    rule: 'value-or-source',
    message: `Field ${field.id} defines both \`source\` and \`value\`. Please specify exactly one of them.`,
    fix: 'Remove "value", or remove "source".',
  })
}

/** Whether a field has a type that says how to read it: its own, or that of the field it takes its values from. */
const hasReadableType = (field: FieldModel, index: Index): boolean => {
  const passed = new Set<FieldModel>()
  for (let current: FieldModel | undefined = field; current && !passed.has(current); ) {
    if (current.subFields.length > 0 || current.types.some((type) => readableTypes.has(type))) return true
    passed.add(current)
    current = fieldAt(index, current.source?.origin)
  }
  return false
}

/** Reports a field without a data type. Fields with sub-fields need none. */
const checkDataType = (check: CroissantCheck, field: FieldModel, index: Index): void => {
  if (hasReadableType(field, index)) return
  const isPlainText = field.types.some((type) => /^(sc|cr):/.test(type))
  addError(check, field, {
    rule: 'data-type',
    pointer: isPlainText ? '/@context/dataType' : placeOf(check, field.node, 'cr:dataType'),
    message: `The field does not specify a valid ${check.iri('cr:dataType')}, neither does any of its predecessor. Got: [${field.types.join(', ')}]`,
    fix: isPlainText
      ? 'Write {"dataType": {"@id": "cr:dataType", "@type": "@vocab"}} in the @context, so that its values are names of types.'
      : 'Add a "dataType" that says how to read the values, such as "sc:Text", "sc:Integer" or "cr:Float32".',
  })
}

const maxReported = 10

/** Reports a record set that takes values from two places and does not say how their rows belong together. */
const checkJoins = (check: CroissantCheck, recordSet: RecordSetModel, index: Index): void => {
  /** The id of the node that holds the values: a file, or the record set of a field. */
  const holderOf = (origin: Reference | undefined): string | undefined =>
    fieldAt(index, origin)?.recordSet ?? index.get(origin?.id ?? '')?.id
  const holders = new Set<string>()
  const joined = new Set<string>()
  for (const { source, references } of recordSet.fields) {
    const from = holderOf(source?.origin)
    const to = holderOf(references?.origin)
    if (from !== undefined) holders.add(from)
    if (from !== undefined && to !== undefined) joined.add([from, to].sort().join('\n'))
  }
  const sorted = [...holders].sort()
  let reported = 0
  for (const [at, one] of sorted.entries()) {
    for (const other of sorted.slice(at + 1)) {
      if (joined.has(`${one}\n${other}`)) continue
      if (++reported > maxReported) return
      addError(check, recordSet, {
        rule: 'join',
        message: `You try to use the sources with names ('${one}', '${other}') as sources, but you didn't declare a join between them. Use \`ml:references\` to declare a join. Please, refer to the documentation for more information.`,
        fix: `Add "references" to a field with a source in "${one}" that names a field or column of "${other}".`,
      })
    }
  }
}

/** Takes away nodes that no other of them leads to, until each is in a circle or behind one. */
const withoutStarts = (
  ids: ReadonlySet<string>,
  edges: readonly (readonly [from: string, to: string])[],
): Set<string> => {
  const waiting = new Map([...ids].map((id) => [id, 0]))
  const next = new Map<string, string[]>()
  for (const [from, to] of edges) {
    if (!ids.has(from) || !ids.has(to)) continue
    waiting.set(to, (waiting.get(to) ?? 0) + 1)
    const after = next.get(from)
    if (after) after.push(to)
    else next.set(from, [to])
  }
  const ready = [...waiting].filter(([, count]) => count === 0).map(([id]) => id)
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    waiting.delete(id)
    for (const to of next.get(id) ?? []) {
      const left = (waiting.get(to) ?? 0) - 1
      waiting.set(to, left)
      if (left === 0) ready.push(to)
    }
  }
  return new Set(waiting.keys())
}

/** Reports nodes that, over references, need themselves first. */
const checkCycles = (check: CroissantCheck, { files, recordSets }: DatasetModel, index: Index): void => {
  const edges = [
    ...files.flatMap(({ id, containedIn }) => containedIn.map((one) => [one.id, id] as const)),
    ...recordSets.flatMap(({ id, fields }) => fields.map((field) => [id, field.id] as const)),
    ...recordSets.flatMap((one) => originsOf(one).map((origin) => [origin.id, one.id] as const)),
  ].filter(([from]) => index.has(from))
  const behind = withoutStarts(new Set(index.keys()), edges)
  const reversed = edges.map(([from, to]) => [to, from] as const)
  for (const id of withoutStarts(behind, reversed)) {
    const node = index.get(id)
    if (!node || fieldAt(index, { id, pointer: '' })) continue
    addError(check, node, {
      rule: 'cycle',
      message: `"${id}" refers to itself over "containedIn", "source" or "references"`,
      fix: 'Break the circle: a file is contained in another one, and a field takes its values from another record set.',
    })
  }
}

/** Advises what the reference implementation recommends, and what the specification requires beyond it. */
const adviseDataset = (check: CroissantCheck, dataset: DatasetModel): void => {
  const isMissing = (name: string) => {
    const [value] = valuesOf(check, dataset.node, name)
    return value === undefined || (value.kind === 'literal' && value.value === '')
  }
  const isNew = check.version !== '0.8'
  for (const name of [isNew ? 'cr:citeAs' : 'sc:citation', 'sc:datePublished', 'sc:license', 'sc:version']) {
    if (!isMissing(name)) continue
    addWarning(check, dataset, {
      rule: 'recommended',
      message: `Property "${check.iri(name)}" is recommended, but does not exist.`,
      fix: `Add "${name.slice(3)}" to the dataset.`,
    })
  }
  for (const key of isNew ? ['name', 'description', 'url', 'creator'] : []) {
    if (!isMissing(`sc:${key}`)) continue
    addWarning(check, dataset, {
      rule: 'spec-required',
      message: `The specification requires "${key}", but the dataset has none`,
      fix: `Add "${key}" to the dataset.`,
    })
  }
  for (const file of dataset.files) adviseChecksum(check, file)
  for (const recordSet of dataset.recordSets) adviseKey(check, recordSet)
}

const adviseChecksum = (check: CroissantCheck, file: Subject): void => {
  for (const [name, length] of Object.entries({ 'sc:sha256': 64, 'cr:md5': 32 })) {
    const sum = firstText(check, file.node, name)
    if (sum === '' || (sum.length === length && /^[0-9a-f]+$/i.test(sum))) continue
    addWarning(check, file, {
      rule: 'spec-checksum',
      pointer: placeOf(check, file.node, name),
      message: `A checksum of ${length} hexadecimal digits is expected. Got: ${sum.slice(0, 100)}`,
      fix: 'Write the hash of the file in hexadecimal digits.',
    })
  }
}

const adviseKey = (check: CroissantCheck, recordSet: RecordSetModel): void => {
  for (const value of valuesOf(check, recordSet.node, 'cr:key')) {
    const id = value.kind === 'node' ? value.id : value.kind === 'literal' ? String(value.value) : ''
    if (recordSet.fields.some((field) => id.endsWith(field.id))) continue
    addWarning(check, recordSet, {
      rule: 'spec-key',
      pointer: value.pointer,
      message: `The key "${id}" names no field of the record set`,
      fix: 'Use the "@id" of a field, such as {"@id": "flowers/id"}.',
    })
  }
}
