import { expect, test } from 'vitest'
import { unknownName } from './unknown-name.ts'

test('a misspelt name is named with the nearest known one', () => {
  expect(unknownName('member', 'step', ['steps', 'init_params'], 'workflow.step')).toEqual({
    field: 'workflow.step',
    message: 'Unknown member "step" was ignored. Did you mean "steps"?',
    did_you_mean: 'steps',
  })
})

test('a name that is near to none is only named, and clipped', () => {
  expect(unknownName('query parameter', 'zzzz', ['limit'])).toEqual({
    field: 'zzzz',
    message: 'Unknown query parameter "zzzz" was ignored',
    did_you_mean: null,
  })
  expect(unknownName('member', 'x'.repeat(5000), []).message.length).toBeLessThan(120)
})
