import { addError, type CroissantCheck } from './check.ts'
import type { Linked } from './links.ts'
import type { DatasetModel, RecordSetModel, Reference } from './model.ts'

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
