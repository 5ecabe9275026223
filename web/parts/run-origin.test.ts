import { expect, it } from 'vitest'
import { jobOfRun, originOfRun } from './run-origin.ts'

const withParams = (params: Record<string, unknown>, routine: number | null = null) => ({
  collection: 'acme',
  task: 't',
  trajectory_id: '1a2b',
  author: 'admin',
  triggered_by_routine_id: routine,
  params,
})

it.each([
  ['a person', withParams({}), { kind: 'person', text: 'admin' }],
  [
    'a routine',
    withParams({ routine: { name: 'nightly' } }, 4),
    { kind: 'routine', text: 'routine nightly', routine: 'nightly' },
  ],
  ['a routine without a name', withParams({}, 4), { kind: 'routine', text: 'a routine' }],
  [
    'a hook',
    withParams({ hook: { name: 'push', delivery: 7, id: 'd-1', event: 'push' } }),
    { kind: 'hook', text: 'hook push', hook: 'push' },
  ],
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
])('finds %s', (_, run, origin) => {
  expect(originOfRun(run)).toEqual(origin)
})

it.each([
  [
    { batch: { task: 'orders', name: 'may' } },
    { noun: 'batch', text: 'may · batch of orders', href: '/acme/orders?tab=batches&batch=1a2b' },
  ],
  [
    { evaluation: { task: 'chat', name: null } },
    { noun: 'evaluation', text: 'evaluation of chat', href: '/acme/chat?tab=evaluations&evaluation=1a2b' },
  ],
  [{ batch: { name: 'x' } }, undefined],
  [{}, undefined],
])('finds the job in %j', (params, job) => {
  expect(jobOfRun(withParams(params))).toEqual(job)
})
