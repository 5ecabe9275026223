import { expect, it } from 'vitest'
import type { StepTemplate } from '../../model/workflows/step-template.ts'
import { docOf, schemaType, typeDeclarations } from './types.ts'

const template = (activity_name: string, parameters: [string, string, boolean][], outputs: [string, string][]) =>
  ({
    ...{ activity_name, name: activity_name, description: '', category: 'text', example: {}, gotchas: [] },
    structured_output: activity_name === 'ask' ? { path: 'outputs.json', has_members: true } : null,
    parameters: parameters.map(([name, type, required]) => ({
      ...{ name, type, required, default: null, description: '', accepts_path: true, aliases: [] },
      ...{ input: 'value' as const, language: null, choices: [] },
    })),
    outputs: outputs.map(([name, type]) => ({ path: `outputs.${name}`, type, description: '' })),
  }) satisfies StepTemplate

const templates = new Map(
  [
    template('text_echo', [['text', 'string', true]], [['text', 'string']]),
    template('conditional_branch', [['condition', 'any', true]], [['branch', 'string']]),
  ].map((one) => [one.activity_name, one]),
)

const declared = (workflow: object, description: string | null = null) =>
  typeDeclarations([{ collection_name: 'acme', name: 'one', description, workflow }], templates, 'jetty types acme')

it('takes parameters from defaults and from what steps read', () => {
  const text = declared({
    init_params: { times: 3, tags: ['a'], note: null },
    step_configs: {
      say: { activity: 'text_echo', text_path: 'init_params.text' },
      again: { activity: 'text_echo', text_path: 'init_params.note' },
    },
    steps: ['say', 'again'],
  })
  expect(text).toContain('      /** Default: 3 */\n      times?: number\n')
  expect(text).toContain('      tags?: string[]\n')
  expect(text).toContain('      note?: string\n')
  expect(text).toContain('      text: string\n')
  expect(text).toContain('      file_paths?: string[]\n')
  expect(text).toContain('    steps: {\n      say: { text: string }\n      again: { text: string }\n    }\n')
  expect(text).toContain('    outputs: { text: string }\n')
})

it('takes parameters from the input schema where the workflow has one', () => {
  const properties = {
    size: { enum: ['s', 'l'] },
    'odd key': { type: 'object', properties: { a: { type: 'integer' } } },
  }
  const text = declared({
    input_schema: { type: 'object', properties, required: ['size', 'odd key'] },
    init_params: { size: 's' },
  })
  expect(text).toContain('      size?: "s" | "l"\n      "odd key": { a?: number }\n')
})

it('types the answer of a model by its output_schema', () => {
  const ask = template(
    'ask',
    [['output_schema', 'object', false]],
    [
      ['text', 'string'],
      ['json', 'any'],
    ],
  )
  const schema = {
    type: 'object',
    properties: { text: {}, lines: { type: 'array', items: { $ref: '#/$defs/line' } } },
    required: ['lines'],
    $defs: { line: { type: 'object', properties: { price: { type: 'number' }, part: { $ref: '#/$defs/line' } } } },
  }
  const workflow = { step_configs: { read: { activity: 'ask', output_schema: schema } }, steps: ['read'] }
  const tasks = [{ collection_name: 'acme', name: 'one', description: null, workflow }]
  const text = typeDeclarations(tasks, new Map([['ask', ask]]), 'jetty types acme')
  expect(text).toContain('    outputs: { text: string; json: { text?: unknown; lines: { price?: number; part?: { ')
  expect(text).toMatch(/ }\[\] }; lines: { price\?: number; part\?: { .* }\[\] }\n/)
})

it('leaves open what it cannot know', () => {
  const step_configs = {
    all: { activity: 'text_echo', text_path: 'init_params' },
    which: { activity: 'conditional_branch', condition_path: 'init_params.x' },
    own: { activity: 'unknown' },
  }
  const text = declared({ step_configs, steps: ['all', 'which', 'own'] })
  expect(text).toContain('      [name: string]: unknown\n')
  expect(text).toContain('      own: Record<string, unknown>\n')
  expect(text).toContain('    outputs: { text: string } | { branch: string } | Record<string, unknown>\n')
})

it('keeps what people wrote inside of comments and strings', () => {
  const text = declared(
    { step_configs: { 'a": never }': { activity: 'text_echo' } } },
    'Ends */ export const x = 1\nhere',
  )
  expect(text).toContain('  /** Ends *\\/ export const x = 1 here */\n')
  expect(text).toContain('      "a\\": never }": { text: string }\n')
  expect(docOf('*/*/', '')).toBe('/** *\\/*\\/ */\n')
})

it.each<[unknown, string]>([
  [{ type: ['string', 'null'] }, 'string | null'],
  [{ type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'number' }] } }, '(string | number)[]'],
  [{ type: 'object', additionalProperties: { type: 'boolean' } }, 'Record<string, boolean>'],
  [{ const: 3 }, '3'],
  [{ enum: ['a', { b: 1 }] }, 'unknown'],
  [{ type: 'date' }, 'unknown'],
  [{ type: 'constructor' }, 'unknown'],
  [true, 'unknown'],
])('the schema %j is the type %s', (schema, type) => {
  expect(schemaType(schema)).toBe(type)
})
