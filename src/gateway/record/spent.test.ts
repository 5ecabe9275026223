import { expect, test } from 'vitest'
import { makeScrubber } from '../../lib/secrets/scrub.ts'
import { catalogue, scriptedProvider } from '../../providers/catalogue.ts'
import { priceOf } from '../../providers/prices/prices.ts'
import { tokenUsage } from '../../providers/upstream/usage/usage.ts'
import type { FinishedCall } from './finished-call.ts'
import { spentUnrecorded } from './recorded-answer.ts'

const provider = catalogue.find((one) => one.id === 'openai')!
const request = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'some '.repeat(800) }], stream: true }
const event = (content: string, more = {}) => JSON.stringify({ choices: [{ index: 0, delta: { content } }], ...more })
const call = (more: Partial<FinishedCall>): FinishedCall => ({
  key: 'k',
  trajectoryId: '01234567',
  place: { collectionId: 1, payer: 1, collection: 'acme', environmentId: null, taskName: '_chat' },
  author: 'me',
  scrub: makeScrubber([]),
  shape: 'chat',
  stream: true,
  provider,
  model: 'gpt-4o-mini',
  request: Buffer.from(JSON.stringify(request)),
  hasOptions: false,
  status: 'completed',
  httpStatus: 200,
  error: null,
  answer: { kind: 'events', data: [event('y'.repeat(400))], truncated: false },
  isBudgeted: true,
  cached: false,
  startedMs: 0,
  firstByteMs: 1,
  endedMs: 2,
  ...more,
})
const nothing = { usd: null, tokens: null }

test('what the provider counted is what counts', async () => {
  const usage = { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 }
  const answer = { kind: 'events' as const, data: [event('hi'), event('', { usage })], truncated: false }
  expect(await spentUnrecorded(call({ answer }))).toEqual({ usd: expect.closeTo(0.00021, 9), tokens: 1100 })
})

test.each(['completed', 'cancelled', 'failed'] as const)(
  'a stream that was not counted is estimated, however it ended: %s',
  async (status) => {
    const { usd, tokens } = await spentUnrecorded(call({ status }))
    expect(tokens).toBeGreaterThan(1100)
    expect(tokens).toBeLessThan(1150)
    expect(usd).toBeGreaterThan(0.0002)
    expect(usd).toBeLessThan(0.00025)
  },
)

test('an image in the request is not taken for text', async () => {
  const content = [{ type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(400_000)}` } }]
  const body = Buffer.from(JSON.stringify({ ...request, messages: [{ role: 'user', content }] }))
  expect((await spentUnrecorded(call({ request: body }))).tokens).toBeLessThan(200)
})

test.each<[string, Partial<FinishedCall>]>([
  ['that the provider refused', { httpStatus: 400, status: 'failed' }],
  ['from the cache', { cached: true }],
  ['of a scripted model', { provider: scriptedProvider }],
  ['that nobody answered', { answer: null, httpStatus: null, status: 'failed' }],
  ['for images', { shape: 'images', answer: { kind: 'json', bytes: Buffer.from('{"data":[]}'), truncated: false } }],
])('a call %s counts nothing that was not counted', async (_, more) => {
  expect(await spentUnrecorded(call(more))).toEqual(nothing)
})

test.each<[FinishedCall['status'], number]>([
  ['cancelled', 1000 + 50],
  ['failed', 1000 + 50],
  ['completed', 1000 + 1],
])('usage stated at the start of an answer is final only if it was completed: %s', async (status, tokens) => {
  const usage = { input_tokens: 1000, output_tokens: 1 }
  const word = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'abcd' } }
  const data = [{ type: 'message_start', message: { usage } }, ...Array(49).fill(word)].map((one) =>
    JSON.stringify(one),
  )
  const anthropic = catalogue.find((one) => one.id === 'anthropic')!
  const broken = call({
    shape: 'messages',
    provider: anthropic,
    model: 'claude-sonnet-4-5',
    status,
    answer: { kind: 'events', data, truncated: false },
  })
  const spent = await spentUnrecorded(broken)
  expect(spent.tokens).toBe(tokens)
  expect(spent.usd).toBe(await priceOf(anthropic, 'claude-sonnet-4-5', tokenUsage(1000, tokens - 1000)))
  expect(await spentUnrecorded({ ...broken, isBudgeted: false })).toEqual(spent)
})
