import type { JsonObject } from '../lib/json/json-object.ts'
import { type CroissantFinding, collectFindings } from './finding.ts'
import { expandDocument } from './json-ld/expand.ts'
import type { LinkedGraph, LinkedNode } from './json-ld/linked-graph.ts'
import type { CroissantCheck } from './rules/check.ts'
import { checkCycles } from './rules/cycles.ts'
import { checkDataTypes } from './rules/data-type.ts'
import { readDataset } from './rules/dataset.ts'
import { checkDocument, checkWalk } from './rules/document.ts'
import { checkJoins } from './rules/joins.ts'
import { checkConstants, checkOrphans, checkReferences, indexById, linkedNodes } from './rules/links.ts'
import { adviseDataset } from './rules/recommended.ts'
import { readVersion } from './rules/version.ts'
import { schemaOrg, vocabularyOf } from './vocabulary.ts'

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
