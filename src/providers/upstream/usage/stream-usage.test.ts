import { expect, test } from 'vitest'
import { AppError } from '../../../lib/errors.ts'
import { membersOf } from '../../../lib/json/json-members.ts'
import { asksForUsage, makeUsageQuestion, withUsageAsked } from './stream-usage.ts'

const parts = (text: string) => {
  const body = Buffer.from(text)
  return [body, membersOf(body, 100)?.members ?? []] as const
}

test.each([
  ['{}', '{"stream_options":{"include_usage":true}}'],
  ['{ "model":"m" }', '{"stream_options":{"include_usage":true}, "model":"m" }'],
  ['{"stream_options":null,"n":1.50}', '{"stream_options":{"include_usage":true},"n":1.50}'],
  ['{"stream_options":{"a":1,"include_usage":false}}', '{"stream_options":{"a":1,"include_usage":true}}'],
  ['{"stream_options":{},"stream_options":{"a":1}}', null],
  ['{"stream_options":"odd"}', '{"stream_options":"odd"}'],
])('%s asks for its usage as %s', (text, asking) => {
  expect(asksForUsage(...parts(text))).toBe(false)
  const made = withUsageAsked(...parts(text))
  if (asking !== null) expect(made.toString()).toBe(asking)
  if (!text.includes('odd')) expect(asksForUsage(...parts(made.toString()))).toBe(true)
})

const refusal = (status: number, message: string) =>
  new AppError('upstream_failed', message, { extra: { upstream_status: status } })

test('a refusal of the question is remembered once the request itself is answered', async () => {
  const ask = makeUsageQuestion()
  const target = { provider: { name: 'X', keys: [] }, base_url: 'http://x', model: 'm' }
  const asked: string[] = []
  const sending = (plain: () => string) => (sent: string) => {
    asked.push(sent)
    if (sent === 'asking') throw refusal(400, 'Unrecognized request argument supplied: stream_options')
    return Promise.resolve(plain())
  }
  const failing = sending(() => {
    throw refusal(400, 'no such model')
  })
  const bodies = { asking: 'asking', plain: 'plain' }
  await expect(ask(target, bodies, async (sent) => failing(sent))).rejects.toThrow('no such model')
  expect(await ask(target, bodies, async (sent) => sending(() => 'fine')(sent))).toBe('fine')
  expect(await ask(target, bodies, async (sent) => sending(() => 'fine')(sent))).toBe('fine')
  expect(asked).toEqual(['asking', 'plain', 'asking', 'plain', 'plain'])
})

test.each([
  [400, 'max_tokens: too large'],
  [500, 'stream_options broke us'],
])('another failure is none of the question: %i %s', async (status, message) => {
  let sent = 0
  const send = async () => {
    sent++
    throw refusal(status, message)
  }
  await expect(
    makeUsageQuestion()({ provider: { name: 'X', keys: [] }, base_url: '', model: '' }, { asking: 1, plain: 2 }, send),
  ).rejects.toThrow(message)
  expect(sent).toBe(1)
})
