import { expect, test } from 'vitest'
import { parameterFields } from './parameter-fields.ts'

const parameter = (name: string, preset: string | null, required = false) => ({
  ...{ name, required },
  description: 'what it is',
  default: preset,
})

test.each([
  ['needed', parameter('subject', null, true), {}, { isRequired: true, standard: undefined, kind: 'line' }],
  [
    'given by the task',
    parameter('subject', null, true),
    { subject: 'Floods' },
    { isRequired: false, standard: 'Floods' },
  ],
  ['the default', parameter('batch', '5'), {}, { standard: '5' }],
  ['a number of the task', parameter('batch', '5'), { batch: 7 }, { standard: '7' }],
  ['null is no value', parameter('batch', '5'), { batch: null }, { standard: '5' }],
  ['a long text', parameter('notes', 'one\ntwo'), {}, { kind: 'text' }],
] as const)('%s', (_, one, given, field) => {
  expect(parameterFields([one], given)).toMatchObject([{ label: one.name, hint: 'what it is', ...field }])
})
