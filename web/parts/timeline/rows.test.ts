import { describe, expect, it } from 'vitest'
import { step } from '../test-steps.ts'
import { loopAround, loopsOf, timelineRows, turnName } from './rows.ts'

const total = ['first', 'draft', 'again', 'save']
const counter = { activity: 'loop_counter' }
const steps = [
  step('first'),
  step('draft'),
  step('again', 0, 1, counter),
  step('draft__2', 0, 1, { status: 'failed' }),
  step('again__2', 0, 1, counter),
]
const shown = (opened: string[] = []) => timelineRows(steps, total, new Set(opened)).map((row) => [row.kind, row.id])

it('shows a loop as one row, and what is still to come', () => {
  expect(shown()).toEqual([
    ['step', 'first'],
    ['loop', ':again'],
    ['pending', 'save'],
  ])
  expect(timelineRows(steps, total, new Set())[1]).toMatchObject({ turns: 2, counts: { completed: 3, failed: 1 } })
})

it('shows the steps of an open loop below it', () => {
  expect(shown([':again'])).toEqual([
    ['step', 'first'],
    ['loop', ':again'],
    ['step', 'draft'],
    ['step', 'again'],
    ['step', 'draft__2'],
    ['step', 'again__2'],
    ['pending', 'save'],
  ])
})

it.each([
  ['draft__2', ':again'],
  ['draft', ':again'],
  ['first', undefined],
  ['unknown', undefined],
])('the loop around %s is %s', (key, loop) => {
  expect(loopAround(key, steps, total)).toBe(loop)
})

describe('the name of a turn', () => {
  it.each([
    ['draft', { name: 'draft', turn: 1 }],
    ['draft__2', { name: 'draft', turn: 2 }],
    ['draft__40', { name: 'draft', turn: 40 }],
    ['a__b__3', { name: 'a__b', turn: 3 }],
    ['draft__1', { name: 'draft__1', turn: 1 }],
    ['own__2', { name: 'own__2', turn: 1 }],
    ['__2', { name: '__2', turn: 1 }],
  ])('%s', (recorded, expected) => {
    expect(turnName(recorded, (name) => name === 'own__2')).toEqual(expected)
  })
})

const listed = new Set(['first', 'draft', 'judge', 'again', 'save', 'x__2', 'more', 'round'])
const named = (...names: string[]) =>
  names.map((name, index) =>
    step(name, index, index, { activity: /again|round/.test(name) ? 'loop_counter' : 'text_echo' }),
  )

describe('loops of a run', () => {
  it.each([
    ['none', named('first', 'draft', 'judge', 'again', 'save'), []],
    ['a step that is called like a turn', named('first', 'x__2', 'save'), []],
    [
      'three turns, the last not ended',
      named('first', 'draft', 'judge', 'again', 'draft__2', 'judge__2', 'again__2', 'draft__3'),
      [{ first: 1, last: 7, turns: 3, counter: 'again' }],
    ],
    [
      'a step that is first executed in the second turn',
      named('draft', 'again', 'draft__2', 'judge__2', 'again__2', 'save'),
      [{ first: 0, last: 4, turns: 2, counter: 'again' }],
    ],
    [
      'two loops one after the other',
      named('draft', 'again', 'draft__2', 'again__2', 'more', 'round', 'more__2', 'round__2'),
      [
        { first: 0, last: 3, turns: 2, counter: 'again' },
        { first: 4, last: 7, turns: 2, counter: 'round' },
      ],
    ],
  ])('%s', (_, given, loops) => {
    expect(loopsOf(given, listed)).toEqual(loops)
  })
})
