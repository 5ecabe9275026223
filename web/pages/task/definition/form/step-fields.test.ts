import { describe, expect, test } from 'vitest'
import { fieldEntry, isShownFirst, readEntered, type StepField, stepFields } from './step-fields.ts'

const parameter = (name: string, input: StepField['input'], more: Partial<StepField['parameter']> = {}) => ({
  ...{ name, input, type: 'any', required: false, default: null, description: '', accepts_path: true },
  ...{ aliases: [], language: null, choices: [], ...more },
})

const parameters = [
  parameter('language', 'choice', { choices: ['python', 'shell'] }),
  parameter('code', 'code', { language: 'language' }),
  parameter('expression', 'code', { language: 'jsonata' }),
  parameter('url', 'line', { required: true }),
  parameter('image_path', 'value'),
  parameter('retries', 'integer'),
]
const fieldOf = (name: string, config: object) =>
  stepFields({ parameters }, config as Record<string, unknown>).find((one) => one.parameter.name === name)!

describe('a field', () => {
  test('takes its value or its path', () => {
    expect(fieldOf('url', { url: 'x' })).toMatchObject({ key: 'url', isPath: false, value: 'x', isSet: true })
    expect(fieldOf('url', { url_path: 'a.b' })).toMatchObject({ key: 'url_path', isPath: true, value: 'a.b' })
    expect(fieldOf('image_path', { image_path: 'x' })).toMatchObject({ key: 'image_path', isPath: false })
    expect(fieldOf('url', {})).toMatchObject({ isSet: false, value: undefined })
  })

  test('has the language that another parameter names', () => {
    expect(fieldOf('code', { language: 'shell' }).language).toBe('shell')
    expect(fieldOf('code', {}).language).toBeUndefined()
    expect(fieldOf('expression', {}).language).toBe('jsonata')
  })

  test('shows a value of another kind as JSON', () => {
    expect(fieldOf('retries', { retries: 'three' }).input).toBe('value')
    expect(fieldOf('url', { url: { a: 1 } }).input).toBe('json')
    expect(fieldOf('url', { url: 'a\nb' }).input).toBe('text')
    expect(fieldOf('url', { url: null }).input).toBe('line')
  })

  test('stands at the top if it is set, needed or code', () => {
    const first = stepFields({ parameters }, { retries: 1 }).filter(isShownFirst)
    expect(first.map((one) => one.parameter.name)).toEqual(['code', 'expression', 'url', 'retries'])
  })
})

const reading = (input: StepField['input'], entry: string, type = 'any', value?: unknown) =>
  readEntered({ ...fieldOf('url', {}), input, parameter: parameter('x', input, { type }), value }, entry)

test.each<[StepField['input'], string, string, ReturnType<typeof readEntered>]>([
  ['line', '12', 'string', { value: '12' }],
  ['text', ' ', 'string', undefined],
  ['value', '{"a":1}', 'any', { value: { a: 1 } }],
  ['value', '12', 'any', { value: '12' }],
  ['value', 'true', 'boolean|string', { value: true }],
  ['value', '["a"]', 'string|array', { value: ['a'] }],
  ['value', '{a', 'any', { value: '{a' }],
  ['value', 'null', 'any', { value: 'null' }],
  ['integer', '1.5', 'integer', { error: 'Write a whole number' }],
  ['number', 'x', 'number', { error: 'Write a number, such as 12' }],
  ['number', '0.5', 'number', { value: 0.5 }],
  ['boolean', 'true', 'boolean', { value: true }],
  ['choice', '"python"', 'string', { value: 'python' }],
  ['json', '{', 'object', { error: 'This is not JSON: texts stand in "quotes"' }],
  ['list', 'a\n\n b ', 'array', { value: ['a', 'b'] }],
])('%s: %j of type %s is read', (input, entry, type, expected) => {
  expect(reading(input, entry, type)).toEqual(expected)
})

test('numbers in a list stay numbers', () => {
  expect(fieldEntry('list', ['2xx', 404])).toBe('2xx\n404')
  expect(reading('list', '404\n405\n5xx', 'array', ['2xx', 404])).toEqual({ value: [404, 405, '5xx'] })
  expect(reading('list', '404\n405', 'array', ['404'])).toEqual({ value: ['404', '405'] })
})
