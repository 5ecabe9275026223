import { isObject, type JsonObject } from '../../lib/json/json-object.ts'
import { jsonPointer } from '../../lib/json/json-pointer.ts'
import {
  addError,
  type CroissantCheck,
  type CroissantFinding,
  type CroissantVersion,
  collectFindings,
  conformsTo,
  nodeLabel,
  type ReportFinding,
  schemaOrg,
  versionOfUri,
  vocabularyOf,
} from './check.ts'
import { readDataset } from './dataset.ts'
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
