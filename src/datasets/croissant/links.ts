import { addError, addWarning, type CroissantCheck, firstText, readableTypes, type Subject } from './check.ts'
import type { DatasetModel, FieldModel, FileModel, RecordSetModel, Reference } from './fields.ts'

/** A node that others may refer to. */
type Linked =
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
const recordOrigins = (recordSet: RecordSetModel): Reference[] =>
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

const maxReported = 10

/** The node that holds the values: a file, or the record set of a field. */
const holderOf = (index: ReadonlyMap<string, Linked>, origin: Reference | undefined): string | undefined => {
  const node = index.get(origin?.id ?? '')
  return node?.kind === 'field' ? node.recordSet.id : node?.id
}

/** Reports record sets that take values from two places and do not say how their rows belong together. */
export const checkJoins = (check: CroissantCheck, dataset: DatasetModel, index: ReadonlyMap<string, Linked>): void => {
  for (const recordSet of dataset.recordSets) checkJoinsOf(check, recordSet, index)
}

const checkJoinsOf = (check: CroissantCheck, recordSet: RecordSetModel, index: ReadonlyMap<string, Linked>): void => {
  const holders = new Set<string>()
  const joined = new Set<string>()
  for (const { source, references } of recordSet.fields) {
    const from = holderOf(index, source?.origin)
    const to = holderOf(index, references?.origin)
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

/** Which nodes need which others first: contained files, fields of record sets, and record sets of origins. */
const edgesOf = (dataset: DatasetModel, index: ReadonlyMap<string, Linked>): [from: string, to: string][] =>
  [
    ...dataset.files.flatMap(({ id, containedIn }) => containedIn.map((one): [string, string] => [one.id, id])),
    ...dataset.recordSets.flatMap(({ id, fields }) => fields.map((field): [string, string] => [id, field.id])),
    ...dataset.recordSets.flatMap((one) => recordOrigins(one).map((origin): [string, string] => [origin.id, one.id])),
  ].filter(([from]) => index.has(from))

/** Takes away nodes that no other of them leads to, until each is in a circle or behind one. */
const withoutStarts = (ids: ReadonlySet<string>, edges: readonly [from: string, to: string][]): Set<string> => {
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
export const checkCycles = (check: CroissantCheck, dataset: DatasetModel, index: ReadonlyMap<string, Linked>): void => {
  const edges = edgesOf(dataset, index)
  const behind = withoutStarts(new Set(index.keys()), edges)
  const reversed = edges.map(([from, to]): [string, string] => [to, from])
  for (const id of withoutStarts(behind, reversed)) reportCycle(check, index.get(id))
}

const reportCycle = (check: CroissantCheck, node: Linked | undefined): void => {
  if (!node || node.kind === 'field') return
  addError(check, node.subject, {
    rule: 'cycle',
    message: `"${node.id}" refers to itself over "containedIn", "source" or "references"`,
    fix: 'Break the circle: a file is contained in another one, and a field takes its values from another record set.',
  })
}

/** Whether a field has a type that says how to read it: its own, or that of the field it takes its values from. */
const hasReadableType = (field: FieldModel, index: ReadonlyMap<string, Linked>): boolean => {
  const passed = new Set<FieldModel>()
  for (let current: FieldModel | undefined = field; current && !passed.has(current); ) {
    if (current.subFields.length > 0 || current.types.some((type) => readableTypes.has(type))) return true
    passed.add(current)
    const origin: Linked | undefined = index.get(current.source?.origin?.id ?? '')
    current = origin?.kind === 'field' ? origin.field : undefined
  }
  return false
}

/** Reports fields without a data type. Fields with sub-fields need none. */
export const checkDataTypes = (
  check: CroissantCheck,
  nodes: readonly Linked[],
  index: ReadonlyMap<string, Linked>,
): void => {
  for (const node of nodes) {
    if (node.kind !== 'field' || hasReadableType(node.field, index)) continue
    const property = check.vocabulary.cr('dataType')
    const { types } = node.field
    const isPlainText = types.some((type) => /^(sc|cr):/.test(type))
    addError(check, node.subject, {
      rule: 'data-type',
      pointer: isPlainText ? '/@context/dataType' : node.field.node.properties.get(property)?.[0]?.pointer,
      message: `The field does not specify a valid ${property}, neither does any of its predecessor. Got: [${types.join(', ')}]`,
      fix: isPlainText
        ? 'Write {"dataType": {"@id": "cr:dataType", "@type": "@vocab"}} in the @context, so that its values are names of types.'
        : 'Add a "dataType" that says how to read the values, such as "sc:Text", "sc:Integer" or "cr:Float32".',
    })
  }
}

const has = (subject: Subject, property: string): boolean => {
  const [value] = subject.node.properties.get(property) ?? []
  return value !== undefined && !(value.kind === 'literal' && value.value === '')
}

/** Advises what the reference implementation recommends, and what the specification requires beyond it. */
export const adviseDataset = (check: CroissantCheck, dataset: DatasetModel): void => {
  const { cr, sc, version } = check.vocabulary
  const cite = version === '0.8' ? sc('citation') : cr('citeAs')
  for (const property of [cite, sc('datePublished'), sc('license'), sc('version')]) {
    if (has(dataset, property)) continue
    addWarning(check, dataset, {
      rule: 'recommended',
      message: `Property "${property}" is recommended, but does not exist.`,
      fix: `Add "${property.replace(/^.*[/]/, '')}" to the dataset.`,
    })
  }
  for (const key of ['name', 'description', 'url', 'creator']) {
    if (version === '0.8' || has(dataset, sc(key))) continue
    addWarning(check, dataset, {
      rule: 'spec-required',
      message: `The specification requires "${key}", but the dataset has none`,
      fix: `Add "${key}" to the dataset.`,
    })
  }
  for (const file of dataset.files) adviseChecksum(check, file)
  for (const recordSet of dataset.recordSets) adviseKey(check, recordSet)
}

const adviseChecksum = (check: CroissantCheck, file: FileModel): void => {
  for (const [property, length] of [
    [check.vocabulary.sc('sha256'), 64],
    [check.vocabulary.moved('md5'), 32],
  ] as const) {
    const sum = firstText(file.node, property)
    if (sum === '' || (sum.length === length && /^[0-9a-f]+$/i.test(sum))) continue
    addWarning(check, file, {
      rule: 'spec-checksum',
      pointer: file.node.properties.get(property)?.[0]?.pointer,
      message: `A checksum of ${length} hexadecimal digits is expected. Got: ${sum.slice(0, 100)}`,
      fix: 'Write the hash of the file in hexadecimal digits.',
    })
  }
}

const adviseKey = (check: CroissantCheck, recordSet: RecordSetModel): void => {
  const ids = new Set(recordSet.fields.map((field) => field.id))
  for (const value of recordSet.node.properties.get(check.vocabulary.moved('key')) ?? []) {
    const id = value.kind === 'node' ? value.id : value.kind === 'literal' ? String(value.value) : ''
    if ([...ids].some((one) => id === one || id.endsWith(one))) continue
    addWarning(check, recordSet, {
      rule: 'spec-key',
      pointer: value.pointer,
      message: `The key "${id}" names no field of the record set`,
      fix: 'Use the "@id" of a field, such as {"@id": "flowers/id"}.',
    })
  }
}
