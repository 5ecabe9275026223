import { expect, test } from 'vitest'
import { flowEdges } from './flow.ts'

const step = (id: string, targets: string[] = [], mayPass = false) => ({ id, targets, mayPass })
const drawn = (steps: Parameters<typeof flowEdges>[0]) => flowEdges(steps).map(({ from, to }) => `${from}>${to}`)

test.each([
  ['steps in order', [step('a'), step('b'), step('c')], ['a>b', 'b>c']],
  [
    'the arms of a branch meet again',
    [step('ask', ['yes', 'no']), step('yes'), step('no'), step('end')],
    ['ask>yes', 'ask>no', 'yes>end', 'no>end'],
  ],
  [
    'a branch with one arm may pass it',
    [step('ask', ['yes'], true), step('yes'), step('end')],
    ['ask>yes', 'ask>end', 'yes>end'],
  ],
  [
    'a branch in an arm',
    [step('a', ['b', 'c']), step('b', ['d'], true), step('d'), step('c'), step('end')],
    ['a>b', 'b>d', 'a>c', 'b>end', 'd>end', 'c>end'],
  ],
  [
    'a branch at the end',
    [step('a'), step('ask', ['yes', 'no']), step('yes'), step('no')],
    ['a>ask', 'ask>yes', 'ask>no'],
  ],
])('%s', (_, steps, edges) => {
  expect(drawn(steps)).toEqual(edges)
})
