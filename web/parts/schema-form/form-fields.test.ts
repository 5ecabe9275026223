import { describe, expect, test } from 'vitest'
import { entryOf, formFields, formParams, readEntry } from './form-fields.ts'

const schema = {
  required: ['topic', 'tone'],
  properties: {
    tone: { enum: ['plain', 'formal'], title: 'Tone' },
    topic: { type: 'string', description: 'What it is about' },
    words: { type: 'integer' },
    more: { type: 'object' },
    file_paths: { type: 'array' },
    late: { type: 'boolean', default: true },
  },
}
const fields = formFields(schema, {
  topic: '',
  words: 100,
  plain: 3,
  yes: true,
  body: 'a\nb',
  tone: 'plain',
  any: null,
})

describe('the fields of a form', () => {
  test('stand in the order of the parameters, then of the schema', () => {
    expect(fields.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'topic line',
      'words integer',
      'plain number',
      'yes boolean',
      'body text',
      'tone choice',
      'any json',
      'more json',
      'late boolean',
    ])
  })

  test('have labels, hints and defaults; a required one with a default needs no entry', () => {
    expect(fields[0]).toMatchObject({ label: 'topic', hint: 'What it is about', isRequired: true, standard: '' })
    expect(fields[5]).toMatchObject({ label: 'Tone', isRequired: false, choices: ['"plain"', '"formal"'] })
    expect(fields.at(-1)).toMatchObject({ standard: true })
  })
})

test.each([
  ['line', 'a', 'a'],
  ['line', null, ''],
  ['line', undefined, ''],
  ['line', 12, '12'],
  ['integer', 12, '12'],
  ['boolean', true, 'true'],
  ['choice', 'plain', '"plain"'],
  ['json', { a: 1 }, '{\n  "a": 1\n}'],
  ['json', null, 'null'],
] as const)('%s: %j is shown as %j', (kind, value, entry) => {
  expect(entryOf({ kind }, value)).toBe(entry)
})

test.each([
  ['line', ' a ', { value: ' a ' }],
  ['number', '1.5', { value: 1.5 }],
  ['number', '1,5', { error: 'Write a number, such as 12' }],
  ['integer', '1.5', { error: 'Write a whole number' }],
  ['boolean', 'false', { value: false }],
  ['json', '[1]', { value: [1] }],
  ['json', '[1', { error: 'This is not JSON: texts stand in "quotes"' }],
] as const)('%s: %j is read', (kind, entry, read) => {
  expect(readEntry({ kind }, entry)).toEqual(read)
})

test('only what was changed is sent; an emptied field means its default', () => {
  expect(formParams(fields, { topic: 'ports', words: '100', body: '', any: ' ' })).toEqual({
    params: { topic: 'ports', body: '' },
    errors: {},
  })
})

test('what is needed or cannot be read is named', () => {
  expect(formParams(fields, { topic: ' ', words: 'x' })).toEqual({
    params: {},
    errors: { topic: 'topic is needed', words: 'Write a number, such as 12' },
  })
})
