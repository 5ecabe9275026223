import { expect, test, vi } from 'vitest'
import { lastOutputs, type Step, stepLine, type Trajectory } from './follow-run.ts'

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
  duration_seconds: 0.002,
  inputs: {},
  outputs: {},
}

test('a step says how long it took, or whose result it has', () => {
  expect(stepLine({ ...step, origin: {} }, '1/2', false)).toBe('✓ 1/2 greet text_echo, 2 ms')
  const carried = { ...step, origin: { trajectory_id: '1f2e3d4c' } }
  expect(stepLine(carried, '1/2', false)).toBe('✓ 1/2 greet text_echo, taken from 1f2e3d4c')
})

test('what went wrong stands below the step, each line of it', () => {
  const failed = { ...step, status: 'failed', error: 'It failed:\nmissing: a.md' }
  expect(stepLine(failed, '1/2', false)).toBe('✗ 1/2 greet text_echo, 2 ms\n    It failed:\n    missing: a.md')
})
