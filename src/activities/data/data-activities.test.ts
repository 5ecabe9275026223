import { expect, test } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import type { OutgoingRequest } from '../activity.ts'
import { registerDataset, registerModel, webhookNotify } from './data-activities.ts'

const parsed = (each: typeof registerDataset, config: object) =>
  each.parameters.parse(config) as Record<string, unknown>

test('a dataset is registered with what was given, and nothing else is touched', async () => {
  const context = makeTestContext()
  const items = [{ id: 7, a: 1 }, { a: 2 }, { id: '', a: 3 }]
  const files = ['acme/x/0000/a.csv', { path: 'acme/x/0000/b.csv', name: 'b.csv' }]
  await registerDataset.run(parsed(registerDataset, { name: 'made', items, files, description: 'What it is' }), context)
  expect(context.registered).toEqual([
    {
      ...{ kind: 'dataset', name: 'made', mode: 'upsert', activityName: 'run', madeFrom: [] },
      fields: { long_description: 'What it is' },
      items: [{ id: '7', data: { a: 1 } }, { data: { a: 2 } }, { data: { a: 3 } }],
      files: ['acme/x/0000/a.csv', 'acme/x/0000/b.csv'],
    },
  ])
})

test('a column of another name is the id, and an id that is none is named', async () => {
  const context = makeTestContext()
  const given = (id: unknown) =>
    parsed(registerDataset, { name: 'made', items: [{ key: id, id: 1 }], id_column: 'key' })
  await registerDataset.run(given('k'), context)
  expect(context.registered[0]?.items).toEqual([{ id: 'k', data: { id: 1 } }])
  await expect(registerDataset.run(given(['k']), context)).rejects.toThrow(
    'Item 0 needs a text of at most 200 characters or a number as its key',
  )
})

test('a model is registered where it is', async () => {
  const context = makeTestContext()
  const config = {
    name: 'router',
    weights: 'hf://acme/router',
    attributes: { size: 7 },
    made_from: ['dataset/acme/qa'],
  }
  expect(await registerModel.run(parsed(registerModel, config), context)).toEqual({
    ...{ model: 'router', collection: 'acme', version: 0, created: true },
  })
  expect(context.registered).toEqual([
    {
      ...{ kind: 'trained_model', name: 'router', activityName: 'run', madeFrom: ['dataset/acme/qa'] },
      fields: { model_path: 'hf://acme/router', model_attributes: { size: 7 } },
    },
  ])
})

const receiver = (status: number, text: string, headers: Record<string, string> = {}) => {
  const requests: (OutgoingRequest & { url: string })[] = []
  const context = makeTestContext({
    fetch: async (url, request = {}) => {
      requests.push({ url, ...request })
      return { status, headers, url, bytes: async () => Buffer.from(text), text: async () => text }
    },
  })
  return { context, requests }
}
const url = 'https://example.com/hook?key=hidden'

test.each([
  [{ a: [1, 'é'] }, '{"a":[1,"é"]}'],
  [undefined, '{}'],
  ['text', '"text"'],
  [0, '0'],
])('posts %j as JSON', async (payload, body) => {
  const { context, requests } = receiver(200, '{"ok":true}')
  const outputs = await runActivity(webhookNotify, { url, payload }, context)
  expect(outputs).toEqual({ status_code: 200, response: { ok: true } })
  expect(requests).toMatchObject([
    { url, method: 'POST', body, headers: { 'content-type': 'application/json', 'idempotency-key': 'run-key/0' } },
  ])
})

test.each([
  [204, '', ''],
  [202, 'accepted', 'accepted'],
  [200, '[1]', [1]],
])('a %d with %j is %j', async (status_code, text, response) => {
  const { context } = receiver(status_code, text)
  expect(await runActivity(webhookNotify, { url }, context)).toEqual({ status_code, response })
})

test.each([
  [302, false],
  [400, false],
  [404, false],
  [408, true],
  [429, true],
  [500, true],
  [503, true],
])('fails on %d; trying again helps: %j', async (status, retryable) => {
  const { context } = receiver(status, `because ${'x'.repeat(1000)}`, { 'retry-after': '7' })
  const error = await runActivity(webhookNotify, { url }, context).catch((thrown) => thrown)
  expect(error).toMatchObject({ code: 'upstream_failed', retryable, retryAfterSeconds: 7 })
  expect(error.message).toContain(`example.com answered ${status}: because`)
  expect(error.message.length).toBeLessThan(400)
  expect(error.message).not.toContain('hidden')
})
