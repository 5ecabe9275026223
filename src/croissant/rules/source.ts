import type { LinkedNode, LinkedValue } from '../json-ld/linked-graph.ts'
import { addError, type CroissantCheck, firstText, type Subject } from './check.ts'
import { isJsonPath } from './json-path.ts'
import type { Reference, SourceModel } from './model.ts'
import { readProperty } from './property.ts'
import { referencesUnder } from './references.ts'

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
  const named = keys.map((one) => referencesUnder(check, subject, one.iri)).filter((found) => found.length > 0)
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
