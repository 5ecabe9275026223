import { expect, it } from 'vitest'
import { step } from '../../parts/test-steps.ts'
import { firstViewOf, runbookStepOf } from './page.tsx'

const agent = (key: string, to: number | null = 9) => ({ ...step(key, 0, to), activity: 'runbook' })
const runWith = (...steps: ReturnType<typeof step>[]) => ({
  steps: Object.fromEntries(steps.map((one) => [one.key, one])),
  total_steps: steps.map(({ key }) => key),
})

it('a run with one runbook opens with what it made, and while it works with what it does', () => {
  expect(firstViewOf(runWith(agent('run')))).toBe('result')
  expect(firstViewOf(runWith(agent('run', null)))).toBe('transcript')
  expect(firstViewOf(runWith(step('a'), agent('run')))).toBe('timeline')
  expect(firstViewOf(runWith(step('a')))).toBe('timeline')
})

it('of several runbooks the chosen one is shown, else the last', () => {
  const run = runWith(agent('one'), step('a'), agent('two'))
  expect(runbookStepOf(run, undefined)?.key).toBe('two')
  expect(runbookStepOf(run, 'one')?.key).toBe('one')
  expect(runbookStepOf(run, 'a')?.key).toBe('two')
  expect(runbookStepOf(runWith(step('a')), 'a')).toBeUndefined()
})
