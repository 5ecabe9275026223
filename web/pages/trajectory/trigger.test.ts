import { expect, it } from 'vitest'
import { runOf } from '../../parts/test-steps.ts'
import { originOfRun } from './trigger.ts'

const withParams = (params: Record<string, unknown>) =>
  runOf([], { attributes: { asset_type: '', asset_filename: '', created: '', params } })

it.each([
  ['a person', runOf([]), { kind: 'person', text: 'admin' }],
  ['a routine', runOf([], { triggered_by_routine_id: 4 }), { kind: 'routine', text: 'routine' }],
  [
    'a re-run',
    withParams({ rerun: { of: '1', task: 'acme/u' } }),
    { kind: 'rerun', text: 're-run', from: { task: 'u', id: '1' } },
  ],
  [
    'a replay',
    withParams({ replay: { of: '1', task: 'acme/t' } }),
    { kind: 'replay', text: 'replay', from: { task: 't', id: '1' } },
  ],
  [
    'a parent',
    withParams({ parent: { trajectory_id: '1', name: 'acme/p', step: 's', index: 0 } }),
    { kind: 'parent', text: 'child run', from: { task: 'p', id: '1' } },
  ],
])('finds %s', (_, run, trigger) => {
  expect(originOfRun(run)).toEqual(trigger)
})
