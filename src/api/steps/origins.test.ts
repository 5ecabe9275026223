import { describe, expect, test } from 'vitest'
import { builtinActivities } from '../../activities/registry.ts'
import { compileWorkflow } from '../../engine/program/program.ts'
import { originsOf, type RecordedInputs } from './origins.ts'

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
