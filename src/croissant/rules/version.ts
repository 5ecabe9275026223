import type { ReportFinding } from '../finding.ts'
import type { LinkedNode } from '../json-ld/linked-graph.ts'
import { type CroissantVersion, conformsTo, versionOfUri } from '../vocabulary.ts'

/** The version of Croissant that a dataset says it conforms to. One that says nothing is of version 0.8. */
export const readVersion = (node: LinkedNode, report: ReportFinding): CroissantVersion => {
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
