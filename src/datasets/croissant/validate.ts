import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import { jsonPointer } from '../../lib/json/json-pointer.ts'
import {
  addError,
  addWarning,
  type CroissantCheck,
  type CroissantFinding,
  type CroissantVersion,
  collectFindings,
  conformsTo,
  firstText,
  nodeLabel,
  type PropertyRule,
  type ReportFinding,
  readProperty,
  type Subject,
  schemaOrg,
  targetOf,
  versionOfUri,
  vocabularyOf,
} from './check.ts'
import {
  checkName,
  type DatasetModel,
  type FileModel,
  idOf,
  readContainers,
  readRecordSet,
  readSource,
  subjectIn,
} from './fields.ts'
import { expandDocument, isLanguageTag, type LinkedGraph, type LinkedNode } from './json-ld.ts'
import {
  adviseDataset,
  checkConstants,
  checkCycles,
  checkDataTypes,
  checkJoins,
  checkOrphans,
  checkReferences,
  indexById,
  linkedNodes,
} from './links.ts'
import { isIsoDate } from './text-forms.ts'

/** Whether a property has a first value that is accepted and is not empty. */
const requireText = (check: CroissantCheck, subject: Subject, rule: PropertyRule, fix: string): void => {
  const [value, second] = readProperty(check, subject, rule)
  if (value?.kind === 'literal' && (value.value !== '' || second)) return
  addError(check, subject, {
    rule: 'required',
    pointer: subject.node.properties.get(rule.iri)?.[0]?.pointer,
    message: `Property "${rule.iri}" is mandatory, but does not exist.`,
    fix,
  })
}

/** Checks the media types of a file. Only since 1.1 there may be several; before, a second one is advised against. */
const requireFormat = (check: CroissantCheck, subject: Subject): void =>
  requireText(
    check,
    subject,
    {
      iri: check.vocabulary.sc('encodingFormat'),
      key: 'encodingFormat',
      literals: ['Text'],
      many: check.vocabulary.version === '1.1',
    },
    'Add "encodingFormat", the media type of the file, such as "text/csv".',
  )

/** Reads a file object: a file that can be downloaded, or that is in another one. */
const readFileObject = (check: CroissantCheck, subject: Subject): FileModel => {
  const { cr, sc, moved } = check.vocabulary
  checkName(check, subject)
  const containedIn = readContainers(check, subject)
  requireFormat(check, subject)
  const contentUrl: PropertyRule = { iri: sc('contentUrl'), key: 'contentUrl', literals: ['URL'] }
  if (containedIn.length > 0) readProperty(check, subject, contentUrl)
  else requireText(check, subject, contentUrl, 'Add "contentUrl", or "containedIn" for a file inside of another one.')
  readProperty(check, subject, { iri: sc('contentSize'), key: 'contentSize', literals: ['Text'] })
  readProperty(check, subject, { iri: sc('sameAs'), key: 'sameAs', literals: ['URL'], many: true })
  const sums = [
    ...readProperty(check, subject, { iri: moved('md5'), key: 'md5', literals: ['Text'] }),
    ...readProperty(check, subject, { iri: sc('sha256'), key: 'sha256', literals: ['Text'] }),
  ]
  if (containedIn.length === 0 && sums.length === 0 && !check.isLive) reportNoChecksum(check, subject)
  if (subject.node.properties.has(cr('source'))) readSource(check, subject, 'source')
  return { ...subject, id: idOf(check, subject.node), containedIn }
}

const reportNoChecksum = (check: CroissantCheck, subject: Subject): void =>
  addError(check, subject, {
    rule: 'checksum',
    message: "At least one of these properties should be defined: ['md5', 'sha256'].",
    fix: 'Add "sha256" with the hash of the file, or "isLiveDataset": true to a dataset whose files change.',
  })

/** Reads a file set: files of one kind in an archive or a folder. */
const readFileSet = (check: CroissantCheck, subject: Subject): FileModel => {
  const { cr } = check.vocabulary
  checkName(check, subject)
  requireText(
    check,
    subject,
    { iri: cr('includes'), key: 'includes', literals: ['Text'], many: check.vocabulary.version === '1.1' },
    'Add "includes" with a pattern of the files that belong to the set, such as "images/*.jpg".',
  )
  requireFormat(check, subject)
  readProperty(check, subject, { iri: cr('excludes'), key: 'excludes', literals: ['Text'], many: true })
  return { ...subject, id: idOf(check, subject.node), containedIn: readContainers(check, subject) }
}

const responsibleAi = [
  ['annotationsPerItem', 'dataCollection', 'dataCollectionMissingData', 'dataCollectionRawData'],
  ['dataImputationProtocol', 'dataManipulationProtocol', 'dataSocialImpact', 'dataReleaseMaintenancePlan'],
].flat()
const responsibleAiLists = [
  ['annotatorDemographics', 'dataAnnotationAnalysis', 'dataAnnotationPlatform', 'dataAnnotationProtocol'],
  ['dataBiases', 'dataCollectionType', 'dataLimitations', 'dataPreprocessingProtocol', 'dataUseCases'],
  ['machineAnnotationTools', 'personalSensitiveInformation'],
].flat()

/** Properties of a dataset that need nothing but a type. */
const plainRules = ({ vocabulary: { cr, sc, version } }: CroissantCheck): PropertyRule[] => [
  version === '0.8'
    ? { iri: sc('citation'), key: 'citation', literals: ['Text'] }
    : { iri: cr('citeAs'), key: 'citeAs', literals: ['Text'] },
  { iri: sc('url'), key: 'url', literals: ['URL'] },
  { iri: sc('version'), key: 'version', literals: ['Integer', 'Number', 'Text'] },
  { iri: sc('keywords'), key: 'keywords', literals: ['Text', 'URL'], many: true },
  { iri: sc('sameAs'), key: 'sameAs', literals: ['URL'], many: true },
  { iri: sc('inLanguage'), key: 'inLanguage', literals: ['Language', 'Text'], many: true },
  ...responsibleAi.map((key) => ({ iri: cr(`RAI/${key}`), key: `rai:${key}`, literals: ['Text'] })),
  ...responsibleAiLists.map((key) => ({ iri: cr(`RAI/${key}`), key: `rai:${key}`, literals: ['Text'], many: true })),
]

/** Reads a dataset with everything in it, and checks each node on its own. */
const readDataset = (check: CroissantCheck, subject: Subject): DatasetModel => {
  checkType(check, subject)
  checkName(check, subject)
  for (const rule of plainRules(check)) readProperty(check, subject, rule)
  for (const key of ['dateCreated', 'dateModified', 'datePublished']) checkDate(check, subject, key)
  for (const key of ['license', 'sdLicense']) checkWork(check, subject, key)
  for (const key of ['creator', 'publisher']) checkPeople(check, subject, key)
  adviseVersion(check, subject)
  const files = readFiles(check, subject)
  return { ...subject, id: idOf(check, subject.node), files, recordSets: readRecordSets(check, subject) }
}

const checkType = (check: CroissantCheck, subject: Subject): void => {
  const [type] = subject.node.types
  const expected = check.vocabulary.sc('Dataset')
  if (type === expected) return
  addError(check, subject, {
    rule: 'node-type',
    pointer: subject.node.typePointer,
    message: `"${nodeLabel(check, subject.node)}" should have an attribute "@type": "${expected}". Got ${type} instead.`,
    fix: 'Put "sc:Dataset" first in the list of types.',
  })
}

const checkDate = (check: CroissantCheck, subject: Subject, key: string): void => {
  const rule = { iri: check.vocabulary.sc(key), key, literals: ['Date', 'DateTime'] }
  const [value] = readProperty(check, subject, rule)
  if (value?.kind !== 'literal' || typeof value.value !== 'string' || isIsoDate(value.value)) return
  addError(check, subject, {
    rule: 'date',
    pointer: value.pointer,
    message: `Dates or DateTimes should follow the [ISO 8601 format](https://en.wikipedia.org/wiki/ISO_8601). Got ${value.value}`,
    fix: `Write "${key}" as in 2024-05-31 or 2024-05-31T12:00:00Z.`,
  })
}

const checkDescribed = (check: CroissantCheck, subject: Subject, node: LinkedNode, type: string): void => {
  const described = subjectIn(check, subject.path, type, node)
  for (const key of ['name', 'description', 'email', 'url']) {
    if (type === 'CreativeWork' && key === 'email') continue
    readProperty(check, described, { iri: check.vocabulary.sc(key), key, literals: ['Text'], many: key !== 'url' })
  }
}

const checkWork = (check: CroissantCheck, subject: Subject, key: string): void => {
  const { sc } = check.vocabulary
  const rule = { iri: sc(key), key, literals: ['Text', 'URL'], nodes: [sc('CreativeWork')], many: true }
  for (const value of readProperty(check, subject, rule)) {
    const node = targetOf(check, value)
    if (node) checkDescribed(check, subject, node, 'CreativeWork')
  }
}

const checkPeople = (check: CroissantCheck, subject: Subject, key: string): void => {
  const { sc } = check.vocabulary
  const rule = { iri: sc(key), key, nodes: [sc('Organization'), sc('Person')], many: true }
  for (const value of readProperty(check, subject, rule)) {
    const node = targetOf(check, value)
    if (node) checkDescribed(check, subject, node, node.types[0] === sc('Person') ? 'Person' : 'Organization')
  }
}

const semanticVersion = /^\d+(\.\d+(\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)?)?$/

const adviseVersion = (check: CroissantCheck, subject: Subject): void => {
  const version = firstText(subject.node, check.vocabulary.sc('version'))
  if (version === '' || semanticVersion.test(version)) return
  addWarning(check, subject, {
    rule: 'version',
    pointer: subject.node.properties.get(check.vocabulary.sc('version'))?.[0]?.pointer,
    message: `Version doesn't follow MAJOR.MINOR.PATCH: ${version}. For more information refer to: https://semver.org/spec/v2.0.0.html`,
    fix: 'Write the version as three numbers, such as "1.0.0".',
  })
}

const readFiles = (check: CroissantCheck, subject: Subject): FileModel[] => {
  const { sc, moved } = check.vocabulary
  const [fileObject, fileSet] = [moved('FileObject'), moved('FileSet')]
  const rule = { iri: sc('distribution'), key: 'distribution', nodes: [fileObject, fileSet], many: true }
  return readProperty(check, subject, rule).flatMap((value): FileModel[] => {
    const node = targetOf(check, value)
    if (!node) return []
    if (node.types[0] === fileObject) return [readFileObject(check, subjectIn(check, subject.path, 'FileObject', node))]
    return [readFileSet(check, subjectIn(check, subject.path, 'FileSet', node))]
  })
}

const readRecordSets = (check: CroissantCheck, subject: Subject) => {
  const { cr } = check.vocabulary
  const rule = { iri: cr('recordSet'), key: 'recordSet', nodes: [cr('RecordSet')], many: true }
  return readProperty(check, subject, rule).flatMap((value) => {
    const node = targetOf(check, value)
    return node ? [readRecordSet(check, subjectIn(check, subject.path, 'RecordSet', node))] : []
  })
}

/** The version of Croissant that a dataset says it conforms to. One that says nothing is of version 0.8. */
const readVersion = (node: LinkedNode, report: ReportFinding): CroissantVersion => {
  const values = node.properties.get(conformsTo) ?? []
  const texts = values.map((value) => (value.kind === 'literal' ? value.value : ''))
  const version = texts.map((text) => versionOfUri[String(text)]).find((one) => one !== undefined)
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

/** Checks what must be right before a document can be read as JSON-LD. Returns whether it can. */
const checkDocument = (document: JsonObject, report: ReportFinding): boolean => {
  const isReadable = checkContext(document['@context'], report)
  return checkIds(document, report) && isReadable
}

const checkContext = (context: unknown, report: ReportFinding): boolean => {
  const parts = Array.isArray(context) ? context : [context ?? {}]
  const wrong = parts.findIndex((one) => !isObject(one))
  if (wrong < 0)
    return parts.every((one, index) =>
      checkEntries(one as JsonObject, Array.isArray(context) ? `/${index}` : '', report),
    )
  const isRemote = typeof parts[wrong] === 'string'
  error(report, {
    pointer: Array.isArray(context) ? `/@context/${wrong}` : '/@context',
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
    pointer: `/@context${place}/${isVocabulary ? '@language' : '@vocab'}`,
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
    const label = nodeLabel(check, node)
    if (depth > maxReferenceDepth) {
      addError(
        check,
        { node, path: label },
        {
          rule: 'depth',
          pointer,
          message: `"${label}" is behind a chain of too many references`,
          fix: 'Let references lead to their target in fewer steps.',
        },
      )
      return false
    }
    if (node.properties.size === 0 && node.types.length === 0) {
      addError(
        check,
        { node, path: label },
        {
          rule: 'empty-node',
          pointer,
          message: `"${label}" is an object without content, which readers cannot load`,
          fix: 'Fill in the object, or remove the key that holds it.',
        },
      )
    }
    const values = [...node.properties.keys()].sort().flatMap((property) => node.properties.get(property) ?? [])
    return values.every((value) => {
      const target = value.kind === 'node' ? check.graph.nodes.get(value.id) : undefined
      return !target || visit(target, value.pointer, depth + 1)
    })
  }
  visit(dataset, dataset.pointer, 0)
}

/** The dataset of a document: its root, or else the first node that is one. */
const findDataset = (graph: LinkedGraph, root: string | undefined): LinkedNode | undefined => {
  const isDataset = (node: LinkedNode | undefined) => node?.types.includes(`${schemaOrg}Dataset`)
  const first = graph.nodes.get(root ?? '')
  return isDataset(first) ? first : [...graph.nodes.values()].find(isDataset)
}

/** The findings of a Croissant document of version 1.0 or 1.1, errors first. It is valid without an error. */
export const validateCroissant = (document: JsonObject): CroissantFinding[] => {
  const { report, sorted } = collectFindings()
  if (!checkDocument(document, report)) return sorted()
  const { graph, root } = expandDocument(document)
  const node = findDataset(graph, root)
  if (!node) {
    report({
      severity: 'error',
      pointer: Object.hasOwn(document, '@type') ? '/@type' : '',
      node: null,
      rule: 'dataset',
      message: "The current JSON-LD doesn't extend https://schema.org/Dataset.",
      fix: 'Set "@type" to "sc:Dataset", and "sc" to "https://schema.org/" in the @context.',
    })
    return sorted()
  }
  const version = readVersion(node, report)
  const vocabulary = vocabularyOf(version)
  const [live] = node.properties.get(vocabulary.cr('isLiveDataset')) ?? []
  const isLive = live !== undefined && !(live.kind === 'literal' && !live.value)
  checkNodes({ graph, vocabulary, report, isLive }, node)
  return sorted()
}

const checkNodes = (check: CroissantCheck, node: LinkedNode): void => {
  checkWalk(check, node)
  const name = node.properties.get(check.vocabulary.sc('name'))?.[0]
  const dataset = readDataset(check, { node, path: `Metadata(${name?.kind === 'literal' ? name.value : ''})` })
  const nodes = linkedNodes(dataset)
  const index = indexById(check, nodes)
  checkReferences(check, dataset, index)
  checkOrphans(check, dataset, index)
  checkConstants(check, nodes)
  checkDataTypes(check, nodes, index)
  checkJoins(check, dataset, index)
  checkCycles(check, dataset, index)
  adviseDataset(check, dataset)
}
