import type { CroissantFinding, ReportFinding } from '../finding.ts'
import { shortId } from '../json-ld/iri.ts'
import type { LinkedGraph, LinkedNode } from '../json-ld/linked-graph.ts'
import type { Vocabulary } from '../vocabulary.ts'

/** What every rule needs: the document as nodes, the terms of its version, and where findings go. */
export interface CroissantCheck {
  graph: LinkedGraph
  vocabulary: Vocabulary
  report: ReportFinding
  /** Whether files may lack a checksum, since their content changes. */
  isLive: boolean
}

/** A node under the rules, with the path of nodes it is in. */
export interface Subject {
  node: LinkedNode
  /** Such as `Metadata(iris) > RecordSet(flowers)`. */
  path: string
}

/** The id of a node as its author wrote it; undefined for a node without one. */
export const authorId = (check: CroissantCheck, id: string): string | undefined =>
  id.startsWith('_:') ? undefined : shortId(check.graph.base, id)

/** What a message calls a node: its id, else its place. */
export const nodeLabel = (check: CroissantCheck, node: LinkedNode): string =>
  authorId(check, node.id) ?? `#${node.pointer}`

/** A finding without its node. Without a pointer, it is about the whole node. */
type Fault = Pick<CroissantFinding, 'rule' | 'message' | 'fix'> & { pointer?: string | undefined }

const report = (
  check: CroissantCheck,
  { node, path }: Subject,
  severity: CroissantFinding['severity'],
  fault: Fault,
): void => check.report({ ...fault, severity, node: path, pointer: fault.pointer ?? node.pointer })

/** Reports an error of a node. */
export const addError = (check: CroissantCheck, subject: Subject, fault: Fault): void =>
  report(check, subject, 'error', fault)

/** Reports advice about a node. */
export const addWarning = (check: CroissantCheck, subject: Subject, fault: Fault): void =>
  report(check, subject, 'warning', fault)

/** The text of the first value of a property, if it is one. */
export const firstText = (node: LinkedNode, property: string): string => {
  const [value] = node.properties.get(property) ?? []
  return value?.kind === 'literal' && typeof value.value === 'string' ? value.value : ''
}
