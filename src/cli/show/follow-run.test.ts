import { expect, test } from 'vitest'
import { lastOutputs, type Trajectory } from './follow-run.ts'

const ended = (...steps: [string, string][]): Trajectory =>
  ({ steps: Object.fromEntries(steps.map(([name, status]) => [name, { status, outputs: { name } }])) }) as never

test('what a run is for is what its last step has put out, of those that completed', () => {
  expect(lastOutputs(ended(['a', 'completed'], ['b', 'completed']))).toEqual({ name: 'b' })
  expect(lastOutputs(ended(['a', 'completed'], ['b', 'failed'], ['c', 'skipped']))).toEqual({ name: 'a' })
  expect(lastOutputs(ended())).toEqual({})
})
