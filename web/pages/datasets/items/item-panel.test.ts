import { expect, test } from 'vitest'
import { runsOverItem } from './item-panel.tsx'

const edge = { dataset_version: null, item_hash: null, is_stale: null }
const run = {
  ...{ type: 'run' as const, id: 'r', label: 'r', task: 'classify', trajectory_id: '1a', status: 'completed' as const },
  ...{ task_version: 2, workflow_hash: 'h', batch_id: 'b' },
}

test('a run has the scores and files that came of it, and says whether its item changed since', () => {
  const score = { type: 'score' as const, id: 's', label: 'quality', key: 'quality', value: '4', author: 'judge' }
  const file = { type: 'file' as const, id: 'f', label: 'a.txt', path: 'acme/a.txt', sha256: null }
  const item = { type: 'item' as const, id: 'i', label: 'i', collection: 'acme', dataset: 'd', item_id: 'i' }
  const lineage = {
    nodes: [{ ...item, current_hash: 'x' }, run, score, file, { ...run, id: 'other' }, { ...file, id: 'g' }],
    edges: [
      { ...edge, from: 'i', to: 'r', kind: 'input' as const, dataset_version: 7, is_stale: true },
      { ...edge, from: 'r', to: 's', kind: 'scored' as const },
      { ...edge, from: 'r', to: 'f', kind: 'produced' as const },
      { ...edge, from: 'r', to: 'other', kind: 'started' as const },
      { ...edge, from: 'other', to: 'g', kind: 'produced' as const },
    ],
    is_complete: true,
  }
  expect(runsOverItem(lineage)).toEqual([
    {
      ...{ id: 'r', task: 'classify', trajectoryId: '1a', status: 'completed', taskVersion: 2 },
      ...{ datasetVersion: 7, isStale: true, scores: [score], files: [file, { ...file, id: 'g' }] },
    },
  ])
})
