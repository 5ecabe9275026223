import { addWarning, type CroissantCheck, firstText, type Subject } from './check.ts'
import type { DatasetModel, FileModel, RecordSetModel } from './model.ts'

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
