import { expect, it } from 'vitest'
import { activity, z } from '../../activities/own/declare.ts'
import { registration } from './registration.ts'

const resize = activity({
  name: 'images.resize',
  description: 'Makes an image smaller.',
  parameters: z.object({ url: z.url().describe('Image.'), width: z.int().default(400).describe('Pixels.') }),
  outputs: z.object({ url: z.string().describe('Small image.') }),
  timeoutSeconds: 60,
  idempotent: false,
  run: async ({ url }) => ({ url }),
})

it('offers activities as JSON Schema', () => {
  const body = registration({ activities: [resize], labels: ['gpu'], version: '2', limits: { 'images.resize': 1 } })
  expect(body).toMatchObject({ version: '2', labels: ['gpu'], concurrency: 4 })
  expect(body.activities).toMatchObject([
    {
      ...{ name: 'images.resize', concurrency: 1, timeout_seconds: 60, idempotent: false },
      parameters: {
        type: 'object',
        properties: { url: { type: 'string', description: 'Image.' }, width: { type: 'integer', default: 400 } },
        required: ['url'],
      },
      outputs: { type: 'object', required: ['url'] },
    },
  ])
})

it('refuses names without a dot, and whatever no server would load', () => {
  expect(() => registration({ activities: [{ ...resize, name: 'resize', example: {} }] })).toThrow(
    "resize: names of a worker's activities have a dot, such as text.resize",
  )
  expect(() => registration({ activities: [{ ...resize, description: '' }] })).toThrow('images.resize.description')
  expect(() => registration({ activities: [] })).toThrow('exports no activity')
})
