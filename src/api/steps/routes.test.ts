import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyCharacter } from '../../../test/any-character.ts'
import { builtinActivities } from '../../activities/registry.ts'
import { compileWorkflow } from '../../engine/program/program.ts'
import { originsOf, type RecordedInputs, withReferences } from './routes.ts'

const bindingsOf = (config: Record<string, unknown>) => {
  const step_configs = { before: { activity: 'text_echo', text: 'x' }, step: { activity: 'text_echo', ...config } }
  const { steps } = compileWorkflow({ step_configs, steps: ['before', 'step'] }, builtinActivities)
  return steps.at(-1)?.bindings ?? []
}
const recorded = (more: Partial<RecordedInputs> = {}): RecordedInputs => ({
  value: () => undefined,
  warnings: [],
  before: new Set(['before']),
  ...more,
})

describe('the origin of a parameter', () => {
  test.each([
    ['a literal has none', { text: 'hello' }, {}],
    ['a path', { text_path: 'before.outputs.text' }, { text: 'before.outputs.text' }],
    ['a template', { text: 'Say {{ before.outputs.text }}!' }, { text: 'Say {{before.outputs.text}}!' }],
    ['a path of the run', { text_path: 'init_params.name' }, { text: 'init_params.name' }],
    [
      'a list of paths',
      { text_path: ['init_params.a', 'before.outputs'] },
      { text: '[init_params.a, before.outputs]' },
    ],
    ['an object with a path', { text: { a: '{{init_params.a}}', b: 1 } }, { text: '{"a": {{init_params.a}}, "b": 1}' }],
  ])('%s', (_, config, expected) => expect(originsOf(bindingsOf(config), recorded())).toEqual(expected))

  test('where there are two, is the one that was used', () => {
    const bindings = bindingsOf({ text_path: 'before.outputs.none', text: 'static' })
    const path = { text: 'before.outputs.none' }
    expect(originsOf(bindings, recorded({ value: () => 'other' }))).toEqual(path)
    expect(originsOf(bindings, recorded({ value: () => 'static' }))).toEqual({})
    const warnings = ["parameter 'text': 'before.outputs.none' leads to nothing; its static value is used"]
    expect(originsOf(bindings, recorded({ value: () => 'other', warnings }))).toEqual({})
  })

  test('follows the second expression when the step of the first was skipped', () => {
    const bindings = bindingsOf({ text_path: 'before.outputs.text', text: 'or {{init_params.text}}' })
    expect(originsOf(bindings, recorded())).toEqual({ text: 'before.outputs.text' })
    expect(originsOf(bindings, recorded({ before: new Set() }))).toEqual({ text: 'or {{init_params.text}}' })
    expect(originsOf(bindings, recorded({ before: new Set(['before__2']) }))).toEqual({ text: 'before.outputs.text' })
  })
})

const hrefOf = (member?: string) => `/value?${member === undefined ? 'whole' : `member=${encodeURIComponent(member)}`}`
const long = 'x'.repeat(70_000)

test('an object of up to 64 KiB stays as it is written', () => {
  const text = '{ "b": 1.0, "a": [ 2 ] }'
  expect(withReferences(text, hrefOf)).toEqual({ text, pointers: [] })
})

test('a member over 64 KiB becomes a reference, and the others stay', () => {
  const { text, pointers } = withReferences(JSON.stringify({ model: 'm', 'a/b~c': long, count: 3 }), hrefOf)
  expect(pointers).toEqual(['/a~1b~0c'])
  expect(JSON.parse(text)).toEqual({
    model: 'm',
    'a/b~c': {
      $large: { bytes: 70_002, type: 'string', preview: expect.stringMatching(/^x+$/), href: hrefOf('a/b~c') },
    },
    count: 3,
  })
})

test('an object of many members that are large together is one reference', () => {
  const members = Object.fromEntries(Array.from({ length: 80 }, (_, at) => [`m${at}`, 'y'.repeat(1_000)]))
  const { text, pointers } = withReferences(JSON.stringify(members), hrefOf)
  expect(pointers).toEqual([''])
  expect(JSON.parse(text)).toMatchObject({
    $large: { type: 'object', href: hrefOf(), bytes: JSON.stringify(members).length },
  })
})

test('so is one of very many small members, and one with a very long name', () => {
  const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`m${at}`, at]))
  expect(withReferences(JSON.stringify(many), hrefOf).pointers).toEqual([''])
  expect(withReferences(JSON.stringify({ [long]: long }), hrefOf).pointers).toEqual([''])
})

test('of any object the answer is small, and every value is kept or named', () => {
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(long, [long], { deep: long }, '😀'.repeat(40_000), '\\"'.repeat(40_000)),
  )
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: anyCharacter, maxLength: 5 }), value, { maxKeys: 6 }), (object) => {
      const whole = JSON.parse(JSON.stringify(object))
      const { text, pointers } = withReferences(JSON.stringify(object), hrefOf)
      expect(text.length).toBeLessThan(80_000)
      const shown = JSON.parse(text)
      if (pointers[0] === '') return expect(shown.$large.href).toBe(hrefOf())
      const named = new Set(pointers.map((pointer) => pointer.slice(1).replaceAll('~1', '/').replaceAll('~0', '~')))
      expect(Object.keys(shown)).toEqual(Object.keys(whole))
      for (const [name, one] of Object.entries(whole)) {
        if (named.has(name)) expect(shown[name].$large.bytes).toBe(Buffer.byteLength(JSON.stringify(one)))
        else expect(shown[name]).toEqual(one)
      }
    }),
    { numRuns: 60 },
  )
})
