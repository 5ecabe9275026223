import { expect, test, vi } from 'vitest'
import type { Step } from '../../model/runs/step.ts'
import type { Trajectory } from '../../model/runs/trajectory.ts'
import { lastOutputs, stepLine } from './follow-run.ts'

vi.hoisted(() => vi.stubEnv('NO_COLOR', '1')) // whether there are colours is decided when their library is loaded

const ended = (...steps: [string, string][]): Trajectory =>
  ({ steps: Object.fromEntries(steps.map(([name, status]) => [name, { status, outputs: { name } }])) }) as never

test('what a run is for is what its last step has put out, of those that completed', () => {
  expect(lastOutputs(ended(['a', 'completed'], ['b', 'completed']))).toEqual({ name: 'b' })
  expect(lastOutputs(ended(['a', 'completed'], ['b', 'failed'], ['c', 'skipped']))).toEqual({ name: 'a' })
  expect(lastOutputs(ended())).toEqual({})
})

const step: Step = {
  key: 'greet',
  activity: 'text_echo',
  status: 'completed',
  error: null,
  created: '2026-11-25T08:30:00.000000Z',
  ended: '2026-11-25T08:30:00.002000Z',
  duration_seconds: 0.002,
  attempt: 1,
  author: 'admin',
  recorded_by: 'admin',
  origin: { task: 'demo/hello', task_version: 'a1b2' },
  inputs: {},
  outputs: {},
  depends_on: [],
  config: {},
  ready_at: null,
}

test('a step says how long it took, or whose result it has', () => {
  expect(stepLine(step, '1/2', false)).toBe('✓ 1/2 greet text_echo, 2 ms')
  const carried: Step = { ...step, origin: { ...step.origin, trajectory_id: '1f2e3d4c' } }
  expect(stepLine(carried, '1/2', false)).toBe('✓ 1/2 greet text_echo, taken from 1f2e3d4c')
})

test('what went wrong stands below the step, each line of it', () => {
  const failed: Step = { ...step, status: 'failed', error: 'It failed:\nmissing: a.md' }
  expect(stepLine(failed, '1/2', false)).toBe('✗ 1/2 greet text_echo, 2 ms\n    It failed:\n    missing: a.md')
})
