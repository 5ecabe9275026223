import { expect, it } from 'vitest'
import { at, runOf, step } from '../parts/test-steps.ts'
import { applyRunEvents } from './run-query.ts'

const run = runOf([step('a', 0, null)], { status: 'running', ended: null })
const progress = { total: 3, begun: 2, ended: 1, completed: 1, failed: 0, cancelled: 0 }
const status = { trajectory_id: run.trajectory_id, status: 'completed' as const, waiting: null, error: null }
const label = { key: 'k', value: 'v', created: at(0), author: 'a', recorded_by: null }

it('applies the events of a frame in order, and keeps what did not change', () => {
  const next = applyRunEvents(run, [
    { event: 'step', data: step('a', 0, 9) },
    { event: 'step', data: step('b', 9, null) },
    { event: 'progress', data: { step: 'b', ...progress } },
    { event: 'progress', data: { step: 'gone', ...progress } },
    { event: 'label', data: { trajectory_id: run.trajectory_id, labels: [label] } },
    { event: 'end', data: status },
  ])
  expect(next).toMatchObject({ status: 'completed', labels: [{ key: 'k' }], created: run.created })
  expect(Object.keys(next?.steps ?? {})).toEqual(['a', 'b'])
  expect(next?.completed_steps).toEqual(['a'])
  expect(next?.steps.b).toMatchObject({ status: 'running', progress })
  expect(run.steps.a?.status).toBe('running')
})

it('begins with a snapshot, and waits for one', () => {
  expect(applyRunEvents(undefined, [{ event: 'step', data: step('a') }])).toBeUndefined()
  expect(
    applyRunEvents(undefined, [
      { event: 'snapshot', data: run },
      { event: 'step', data: step('c') },
    ])?.steps.c,
  ).toBeDefined()
})

it('stays the same where nothing changed', () => {
  const log = {
    timestamp: at(0),
    level: 'info' as const,
    type: 'x',
    message: '',
    attributes: {},
    step: null,
    activity: null,
  }
  expect(applyRunEvents(run, [{ event: 'log', data: log }])).toBe(run)
})

it('counts completed steps, tokens and cost with each step', () => {
  const usage = { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12 }
  const asked = { usage, cost_usd: 0.25 }
  const next = applyRunEvents(run, [
    { event: 'step', data: step('a', 0, 9, asked) },
    { event: 'step', data: step('b', 9, 20, asked) },
    { event: 'step', data: step('c', 20, null) },
  ])
  expect(next).toMatchObject({
    completed_steps: ['a', 'b'],
    usage: { prompt_tokens: 20, completion_tokens: 4, total_tokens: 24 },
    cost_usd: 0.5,
  })
  const priceless = { usage: { ...usage, estimated: true as const }, cost_usd: null }
  expect(applyRunEvents(next, [{ event: 'step', data: step('c', 20, 30, priceless) }])).toMatchObject({
    completed_steps: ['a', 'b', 'c'],
    usage: { total_tokens: 36, estimated: true },
    cost_usd: null,
  })
  expect(applyRunEvents(run, [{ event: 'step', data: step('a', 0, 9) }])).toMatchObject({ usage: null, cost_usd: null })
})
