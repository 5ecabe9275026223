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

test('every activity that comes with the server can be described', () => {
  for (const one of builtinActivities.values()) {
    const shown = describeActivity(one)
    expect(shown.name).toBe(one.name)
    expect(shown.parameters.every((parameter) => parameter.type !== 'any' || parameter.description !== '')).toBe(true)
  }
})
