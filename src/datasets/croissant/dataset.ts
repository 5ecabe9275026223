import {
  addError,
  addWarning,
  type CroissantCheck,
  firstText,
  nodeLabel,
  type PropertyRule,
  readProperty,
  type Subject,
  targetOf,
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
import type { LinkedNode } from './json-ld.ts'
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
export const readDataset = (check: CroissantCheck, subject: Subject): DatasetModel => {
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
