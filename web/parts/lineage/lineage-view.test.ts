import { expect, test } from 'vitest'
import type { LineageNode } from '../../../src/model/data/lineage.ts'
import { drawLineage, foldLineage, type Lineage } from './lineage-view.tsx'

const edge = { dataset_version: null, item_hash: null, is_stale: null }
const item: LineageNode = {
  ...{ type: 'item', id: 'item', label: 'q1', collection: 'acme', dataset: 'qa', item_id: 'q1', current_hash: 'h' },
}
const run = (id: string, status: 'completed' | 'failed' = 'completed'): LineageNode => ({
  ...{ type: 'run', id, label: id, task: 'answer', trajectory_id: id, status, task_version: 3 },
  ...{ workflow_hash: 'w', batch_id: null },
})
const file = (id: string): LineageNode => ({ type: 'file', id, label: id, path: `acme/${id}`, sha256: null })

/** An item with runs over it, each with a file. */
const lineageOf = (runs: number): Lineage => {
  const names = Array.from({ length: runs }, (_, at) => `r${at}`)
  return {
    nodes: [
      item,
      ...names.map((name, at) => run(name, at === 1 ? 'failed' : 'completed')),
      ...names.map((n) => file(`f${n}`)),
    ],
    edges: names.flatMap((name, at) => [
      { ...edge, from: 'item', to: name, kind: 'input' as const, dataset_version: 7, is_stale: at === 0 },
      { ...edge, from: name, to: `f${name}`, kind: 'produced' as const },
    ]),
    is_complete: true,
  }
}
const shown = (lineage: Lineage, opened = new Map<string, number>(), most?: number) => {
  const { boxes, edges, left } = foldLineage(drawLineage(lineage), opened, most)
  const labels = new Map(boxes.map(({ id, label }) => [id, label]))
  return {
    boxes: boxes.map(({ label, detail }) => `${label} (${detail})`).sort(),
    edges: edges.map(({ from, to }) => `${labels.get(from)} > ${labels.get(to)}`).sort(),
    left,
  }
}

test('a run comes from an item of a version of a dataset and from a version of a task, and says what is stale', () => {
  expect(shown(lineageOf(1))).toEqual({
    boxes: ['answer v3 (task)', 'fr0 (file)', 'q1 (item)', 'qa v7 (dataset)', 'r0 (run of answer · stale)'],
    edges: ['answer v3 > r0', 'q1 > r0', 'qa v7 > q1', 'r0 > fr0'],
    left: 0,
  })
})

test('many runs that stand alike are one box, and so is what they made', () => {
  expect(shown(lineageOf(40))).toEqual({
    boxes: [
      ...[
        '40 files ()',
        '40 runs (39 completed · 1 failed · 1 stale)',
        'answer v3 (task)',
        'q1 (item)',
        'qa v7 (dataset)',
      ],
    ],
    edges: ['40 runs > 40 files', 'answer v3 > 40 runs', 'q1 > 40 runs', 'qa v7 > q1'],
    left: 0,
  })
})

test('an opened box shows some of its nodes, and what is left of it', () => {
  const lineage = lineageOf(40)
  const folded = foldLineage(drawLineage(lineage), new Map()).boxes.find(({ type }) => type === 'run')
  const { boxes } = shown(lineage, new Map([[folded?.id ?? '', 20]]))
  expect(boxes.filter((box) => box.includes('run of answer'))).toHaveLength(20)
  expect(boxes).toContain('20 runs ()')
})

test('a graph that stays too large is cut, and says how much is left', () => {
  const nodes = Array.from({ length: 30 }, (_, at) =>
    [item, run(`r${at}`)].map((node) => ({ ...node, id: `${node.type}${at}` })),
  )
  const edges = nodes.map(([from, to]) => ({ ...edge, from: from!.id, to: to!.id, kind: 'input' as const }))
  const lineage = { nodes: nodes.flat() as LineageNode[], edges, is_complete: true }
  const { boxes, left } = foldLineage(drawLineage(lineage), new Map(), 10)
  expect(boxes.length).toBeLessThanOrEqual(10)
  expect(boxes.reduce((sum, { count }) => sum + count, 0) + left).toBe(61)
})

test('a circle is drawn: an item that a run over it has corrected', () => {
  const made = { ...edge, from: 'r0', to: 'item', kind: 'made_into' as const }
  const lineage = lineageOf(1)
  expect(shown({ ...lineage, edges: [...lineage.edges, made] }).edges).toContain('r0 > q1')
})
