import { addError, type CroissantCheck } from './check.ts'
import { type Linked, recordOrigins } from './links.ts'
import type { DatasetModel } from './model.ts'

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
