import { expect, it } from 'vitest'
import { inputVariables } from './languages.ts'

it.each<[unknown, Record<string, string>]>([
  [
    { name: "it's\n$(x)", count: 3, list: [1], 'a-b.c': true },
    { INPUT_NAME: "it's\n$(x)", INPUT_COUNT: '3', INPUT_LIST: '[1]', INPUT_A_B_C: 'true' },
  ],
  [{ nul: 'a\0b', long: 'x'.repeat(30_001), kept: null }, { INPUT_KEPT: 'null' }],
  [{ ['n'.repeat(200_000)]: '' }, {}],
  [['list'], {}],
  [null, {}],
  ['text', {}],
])('inputs become the variables of a shell script: case %#', (inputs, variables) => {
  expect(inputVariables(JSON.stringify(inputs))).toEqual(variables)
})

it('all variables together stay below what Linux passes to a program', () => {
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`v${at}`, 'x'.repeat(20_000)]))
  expect(JSON.stringify(inputVariables(JSON.stringify(many))).length).toBeLessThan(400_000)
})
