import fc from 'fast-check'
import { expect, test } from 'vitest'
import { completionsAt, openStringAt } from './completions-at.ts'

const templates = [
  {
    activity_name: 'text_echo',
    name: 'Echo',
    parameters: [
      {
        ...{
          name: 'text',
          type: 'any',
          required: true,
          default: null,
          description: '',
          accepts_path: true,
          aliases: [],
        },
        ...{ input: 'value' as const, language: null, choices: [] },
      },
    ],
    outputs: [{ path: 'outputs.text', type: 'any', description: '' }],
  },
  { activity_name: 'sleep', name: 'Sleep', parameters: [], outputs: [] },
]

const workflow = (rest: string) => `{
  "init_params": {"topic": "x", "n": 1},
  "step_configs": {
    "first": {"activity": "text_echo", "text": "a"},
    "second": {"activity": "text_echo"${rest}`

const steps = [{ name: 'first', structured_outputs: [{ path: 'outputs.lines[*].price', type: 'number' }] }]

const labelsAt = (text: string) =>
  completionsAt(text, text.length, { templates, steps }).options.map(({ label }) => label)

const paths = ['init_params.topic', 'init_params.n', 'first.outputs.lines[*].price', 'first.outputs.text']

test.each([
  ['an activity', '{"step_configs": {"a": {"activity": "te', ['text_echo', 'sleep']],
  ['a parameter', workflow(', "te'), ['text', 'text_path', 'activity', 'depends_on', 'options']],
  ['a path', workflow(', "text_path": "'), paths],
  ['a path in a text', workflow(', "text": "in {{x}} and {{'), paths],
  ['nothing after a path in a text', workflow(', "text": "{{x}} '), []],
  ['a dependency', workflow(', "depends_on": ["'), ['first', 'second']],
  ['a listed step', `${workflow('}}, "steps": ["first", "s')}`, ['first', 'second']],
  ['nothing in a text', workflow(', "text": "in'), []],
  ['nothing outside of strings', workflow(', '), []],
  ['nothing in init_params', '{"init_params": {"a": "', []],
])('%s', (_, text, labels) => {
  expect(labelsAt(text)).toEqual(labels)
})

test('the open string is found behind escapes and broken lines', () => {
  expect(openStringAt('{"a\\"b": "x', 11)).toEqual({ from: 10, path: ['a\\"b'], isName: false })
  expect(openStringAt('{"a": "not closed\n "b', 21)).toMatchObject({ from: 20 })
  expect(openStringAt('{"a": 1', 7)).toBeUndefined()
})

test('no text makes it fail', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(60), (noise, cut) => {
      const text = workflow(', "text_path": "').slice(0, cut) + noise
      completionsAt(text, text.length, { templates, steps })
    }),
  )
})
