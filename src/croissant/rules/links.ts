import { addError, type CroissantCheck, type Subject } from './check.ts'
import type { DatasetModel, FieldModel, RecordSetModel, Reference } from './model.ts'

/** A node that others may refer to. */
export type Linked =
  | { kind: 'file' | 'dataset'; id: string; subject: Subject }
  | { kind: 'recordSet'; id: string; subject: Subject; recordSet: RecordSetModel }
  | { kind: 'field'; id: string; subject: Subject; field: FieldModel; recordSet: RecordSetModel }

/** All nodes of a dataset, in the order of the reference implementation: of two with one id the later counts. */
export const linkedNodes = (dataset: DatasetModel): Linked[] => [
  { kind: 'dataset', id: dataset.id, subject: dataset },
  ...dataset.files.map((file): Linked => ({ kind: 'file', id: file.id, subject: file })),
  ...dataset.recordSets.map((one): Linked => ({ kind: 'recordSet', id: one.id, subject: one, recordSet: one })),
  ...dataset.recordSets.flatMap((recordSet) =>
    recordSet.fields
      .flatMap((field) => [field, ...field.subFields])
      .map((field): Linked => ({ kind: 'field', id: field.id, subject: field, field, recordSet })),
  ),
]

/** Indexes nodes by id, and reports ids that two of them have. */
export const indexById = (check: CroissantCheck, nodes: readonly Linked[]): Map<string, Linked> => {
  const index = new Map<string, Linked>()
  for (const node of nodes) {
    if (index.has(node.id)) {
      addError(check, node.subject, {
        rule: 'duplicate-id',
        message: `Duplicate nodes with the same identifier: ${node.id}`,
        fix: 'Give each node an "@id" of its own; that of a field usually begins with the id of its record set.',
      })
    }
    index.set(node.id, node)
  }
  return index
}

/** The origins of a record set: what its fields and those in them take values from or refer to. */
export const recordOrigins = (recordSet: RecordSetModel): Reference[] =>
  recordSet.fields
    .flatMap((field) => [field, ...field.subFields])
    .flatMap(({ source, references }) => [source?.origin, references?.origin])
    .filter((origin) => origin !== undefined)

/** Reports references to nodes that do not exist. */
export const checkReferences = (
  check: CroissantCheck,
  dataset: DatasetModel,
  index: ReadonlyMap<string, Linked>,
): void => {
  const checkOne = (subject: Subject & { id: string }, { id, pointer }: Reference) => {
    if (index.has(id)) return
    addError(check, subject, {
      rule: 'reference',
      pointer,
      message: `There is a reference to node with UUID "${id}" in node "${subject.id}", but this node doesn't exist.`,
      fix: 'Use the "@id" of a file, a file set or a field of this document.',
    })
  }
  for (const file of dataset.files) for (const reference of file.containedIn) checkOne(file, reference)
  for (const recordSet of dataset.recordSets) for (const origin of recordOrigins(recordSet)) checkOne(recordSet, origin)
}

/** Reports fields without values in record sets that nothing feeds. */
export const checkOrphans = (
  check: CroissantCheck,
  dataset: DatasetModel,
  index: ReadonlyMap<string, Linked>,
): void => {
  for (const recordSet of dataset.recordSets) {
    if (recordSet.hasData || recordOrigins(recordSet).some(({ id }) => index.has(id))) continue
    for (const field of recordSet.fields) checkOrphan(check, field)
  }
}

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

/** Reports fields that have both a constant and a source. */
export const checkConstants = (check: CroissantCheck, nodes: readonly Linked[]): void => {
  for (const node of nodes) {
    if (node.kind !== 'field' || !node.field.hasValue || !node.field.source) continue
    addError(check, node.subject, {
      rule: 'value-or-source',
      message: `Field ${node.id} defines both \`source\` and \`value\`. Please specify exactly one of them.`,
      fix: 'Remove "value", or remove "source".',
    })
  }
}
