import { expect, test } from 'vitest'
import { flowEdges } from './flow.ts'

const step = (id: string, arms: (string | string[])[] = [], mayPass = false) => ({
  id,
  arms: arms.map((arm) => [arm].flat()),
  mayPass,
})
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
  [
    'arms of several steps',
    [
      step('ask', [
        ['y1', 'y2'],
        ['n1', 'n2'],
      ]),
      ...['y1', 'y2', 'n1', 'n2', 'end'].map((id) => step(id)),
    ],
    ['ask>y1', 'y1>y2', 'ask>n1', 'n1>n2', 'y2>end', 'n2>end'],
  ],
  [
    'arms of several steps that take turns, one with a branch',
    [
      step('ask', [
        ['y1', 'y2'],
        ['n1', 'n2'],
      ]),
      step('y1', ['a'], true),
      step('n1'),
      step('a'),
      step('y2'),
      step('n2'),
    ],
    ['ask>y1', 'ask>n1', 'y1>a', 'y1>y2', 'a>y2', 'n1>n2'],
  ],
])('%s', (_, steps, edges) => {
  expect(drawn(steps)).toEqual(edges)
})
