import { describe, expect, it } from 'vitest'
import { step } from '../test-steps.ts'
import { loopsOf, turnName } from './loops.ts'

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
const steps = (...names: string[]) =>
  names.map((name, index) =>
    step(name, index, index, { activity: /again|round/.test(name) ? 'loop_counter' : 'text_echo' }),
  )

describe('loops of a run', () => {
  it.each([
    ['none', steps('first', 'draft', 'judge', 'again', 'save'), []],
    ['a step that is called like a turn', steps('first', 'x__2', 'save'), []],
    [
      'three turns, the last not ended',
      steps('first', 'draft', 'judge', 'again', 'draft__2', 'judge__2', 'again__2', 'draft__3'),
      [{ first: 1, last: 7, turns: 3, counter: 'again' }],
    ],
    [
      'a step that is first executed in the second turn',
      steps('draft', 'again', 'draft__2', 'judge__2', 'again__2', 'save'),
      [{ first: 0, last: 4, turns: 2, counter: 'again' }],
    ],
    [
      'two loops one after the other',
      steps('draft', 'again', 'draft__2', 'again__2', 'more', 'round', 'more__2', 'round__2'),
      [
        { first: 0, last: 3, turns: 2, counter: 'again' },
        { first: 4, last: 7, turns: 2, counter: 'round' },
      ],
    ],
  ])('%s', (_, given, loops) => {
    expect(loopsOf(given, listed)).toEqual(loops)
  })
})
