import { expect, test } from 'vitest'
import { z } from 'zod'
import { activity } from '../../activities/activity.ts'
import { builtinActivities } from '../../activities/registry.ts'
import { describeActivity } from './describe.ts'

test('a template says what the declaration says', () => {
  const shown = describeActivity(
    activity({
      name: 'demo',
      category: 'text',
      description: 'Does a thing.',
      parameters: z.object({
        text: z
          .string()
          .describe('What to show.')
          .meta({ aliases: ['value'] }),
        count: z.number().int().default(3),
        mode: z.enum(['a', 'b']).optional(),
        any: z.union([z.string(), z.array(z.string())]).nullish(),
      }),
      outputs: z.object({ text: z.string().describe('The text.') }),
      literal: ['mode'],
      example: { activity: 'demo', text: 'x' },
      run: async ({ text }) => ({ text }),
    }),
  )
  expect(shown.parameters.map((one) => [one.name, one.type, one.required, one.default, one.accepts_path])).toEqual([
    ['text', 'string', true, null, true],
    ['count', 'integer', false, 3, true],
    ['mode', 'string', false, null, true],
    ['any', 'string|array|null', false, null, true],
  ])
  expect(shown.parameters[0]).toMatchObject({ description: 'What to show.', aliases: ['value'] })
  expect(shown.outputs).toEqual([{ path: 'outputs.text', type: 'string', description: 'The text.' }])
})

test('a form knows how to ask for each parameter', () => {
  const inputs = (name: string) => {
    const { parameters } = describeActivity(builtinActivities.get(name)!)
    return Object.fromEntries(
      parameters.map((one) => [one.name, one.language ? `${one.input} ${one.language}` : one.input]),
    )
  }
  expect(inputs('http_request')).toMatchObject({
    ...{ url: 'line', headers: 'pairs', query: 'pairs', auth: 'json', body: 'value', response: 'choice' },
    ...{ expect_status: 'list', follow_redirects: 'boolean', max_bytes: 'integer', pagination: 'json' },
  })
  expect(inputs('transform')).toEqual({ expression: 'code jsonata', input: 'value' })
  expect(inputs('litellm_chat')).toMatchObject({
    prompt: 'text',
    temperature: 'number',
    output_schema: 'json json-schema',
  })
  expect(describeActivity(builtinActivities.get('render')!).parameters[0]?.choices).toEqual([
    'html',
    'csv',
    'json',
    'jsonl',
  ])
  expect(describeActivity(builtinActivities.get('simple_judge')!).structured_output).toEqual({
    path: 'outputs.json',
    has_members: true,
  })
})

test('every activity that comes with the server can be described', () => {
  for (const one of builtinActivities.values()) {
    const shown = describeActivity(one)
    expect(shown.name).toBe(one.name)
    expect(shown.parameters.every((parameter) => parameter.type !== 'any' || parameter.description !== '')).toBe(true)
  }
})
