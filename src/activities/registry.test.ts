import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { builtinActivities } from './registry.ts'

const engineKeys = new Set(['activity', 'depends_on', 'options'])

/** The parameter that a key of a step config speaks of, by the rules of the contract. */
const parameterOf = (key: string, declared: Set<string>): string => {
  if (key.endsWith('_path') && declared.has(key)) return key
  if (key.endsWith('_path_expr')) return declared.has(key.slice(0, -5)) ? key.slice(0, -5) : key.slice(0, -10)
  return key.endsWith('_path') ? key.slice(0, -5) : key
}

describe.each([...builtinActivities.values()].map((each) => [each.name, each] as const))('%s', (name, each) => {
  const declared = new Set(Object.keys(each.parameters.shape))

  it('is described, and so is each parameter and output', () => {
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/)
    expect(each.description).toMatch(/^[A-Z].*\.$/)
    for (const [parameter, schema] of [
      ...Object.entries(each.parameters.shape),
      ...Object.entries(each.outputs.shape),
    ]) {
      expect((schema as z.ZodType).description, parameter).toMatch(/.{5,}/)
    }
    expect(each.gotchas.length).toBeGreaterThan(0)
    expect(each.gotchas.every((gotcha) => gotcha.endsWith('.'))).toBe(true)
  })

  it('can be written as JSON Schema', () => {
    for (const schema of [each.parameters, each.outputs]) {
      expect(z.toJSONSchema(schema, { io: 'input' })).toMatchObject({ type: 'object' })
    }
  })

  it('has an example that names it, and only parameters it has, and each that it requires', () => {
    expect(each.example.activity).toBe(name)
    const used = Object.keys(each.example)
      .filter((key) => !engineKeys.has(key))
      .map((key) => parameterOf(key, declared))
    if (!each.takesAnyParameter) for (const parameter of used) expect(declared).toContain(parameter)
    for (const [parameter, schema] of Object.entries(each.parameters.shape)) {
      if (!(schema as z.ZodType).safeParse(undefined).success) expect(used).toContain(parameter)
    }
    // Paths are resolved by the engine; what is written out has to be valid as it is.
    for (const [key, value] of Object.entries(each.example)) {
      const resolved = each.nested.includes(key) ? JSON.parse(JSON.stringify(value).replaceAll('_path":', '":')) : value
      if (declared.has(key)) (each.parameters.shape[key] as z.ZodType).parse(resolved)
    }
  })

  it('speaks only of its own parameters in its lists', () => {
    for (const parameter of [
      ...each.references,
      ...each.nested,
      ...each.literal,
      ...each.pathsInArrays,
      ...each.secret,
    ])
      expect(declared).toContain(parameter)
  })
})

it('has every activity of the contract, sections 5.1 to 5.6, and more', () => {
  expect([...builtinActivities.keys()].sort()).toEqual([
    'add_image_metadata',
    'conditional_branch',
    'conditional_step',
    'download_image',
    'evaluation_subjects',
    'extract_from_trajectories',
    'filter_items',
    'gemini_image_generator',
    'gemini_prompt',
    'group_items',
    'http_request',
    'join_items',
    'judge_material',
    'label_run',
    'list_emit_await',
    'litellm_chat',
    'litellm_embeddings',
    'litellm_image_generation',
    'litellm_vision',
    'loop_counter',
    'number_sequence_generator',
    'parse',
    'pinned_outputs',
    'read_text_file',
    'read_uploaded_file',
    'register_dataset',
    'register_model',
    'render',
    'replicate_run',
    'replicate_text2image',
    'replicate_text2video',
    'run_workflow',
    'runbook',
    'save_text_file',
    'script',
    'select_files',
    'simple_judge',
    'sleep',
    'sort_items',
    'sql',
    'text_concatenate',
    'text_echo',
    'text_split',
    'text_template',
    'transform',
    'unique_items',
    'wait_for_approval',
    'wait_for_event',
    'webhook_notify',
  ])
})
