import { expect, it } from 'vitest'
import { step } from '../test-steps.ts'
import { panelTabs, shownPanel } from './panel-tabs.ts'

const failed = step('a', 0, 1, { status: 'failed', error: 'x', attempt: 3 })
const fanOut = step('a', 0, null, { activity: 'list_emit_await' })

it.each([
  [step('a'), ['input', 'output', 'log', 'config']],
  [failed, ['error', 'input', 'output', 'log', 'config', 'attempts']],
  [fanOut, ['input', 'output', 'log', 'config', 'runs']],
])('the tabs of %j are %j', (one, names) => {
  expect(panelTabs(one).map(({ name }) => name)).toEqual(names)
})

it.each([
  [step('a'), undefined, 'output'],
  [step('a'), 'input', 'input'],
  [step('a'), 'attempts', 'output'],
  [step('a', 0, null), undefined, 'input'],
  [failed, undefined, 'error'],
  [failed, 'log', 'log'],
  [fanOut, undefined, 'runs'],
])('of %j with %s it shows %s', (one, wanted, shown) => {
  expect(shownPanel(one, wanted)).toBe(shown)
})

it('of a step at work whose model has tools it shows the conversation', () => {
  expect(shownPanel(step('a', 0, null), undefined, true)).toBe('output')
  expect(shownPanel(step('a', 0, null), 'input', true)).toBe('input')
})
