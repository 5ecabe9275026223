import { expect, it } from 'vitest'
import { makeTestContext, runActivity } from '../../../test/activity-context.ts'
import type { OutgoingRequest } from '../activity.ts'
import { webhookNotify } from './webhook-notify.ts'

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

it.each([
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

it.each([
  [204, '', ''],
  [202, 'accepted', 'accepted'],
  [200, '[1]', [1]],
])('a %d with %j is %j', async (status_code, text, response) => {
  const { context } = receiver(status_code, text)
  expect(await runActivity(webhookNotify, { url }, context)).toEqual({ status_code, response })
})

it.each([
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
