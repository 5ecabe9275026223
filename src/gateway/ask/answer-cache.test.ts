import { expect, test } from 'vitest'
import { makeScrubber } from '../../lib/secrets/scrub.ts'
import { catalogue } from '../../providers/catalogue.ts'
import type { CachedAnswer } from '../../store/calls/answer-cache.ts'
import type { FinishedCall } from '../record/finished-call.ts'
import { answerToKeep, cacheHash, replayed } from './answer-cache.ts'

const provider = catalogue.find((one) => one.id === 'openai')!
const target = {
  provider,
  model: 'gpt-4o',
  native: true,
  url: 'https://a.example/v1',
  base_url: '',
  trusted: false,
  headers: {},
}
const call = (more: Partial<FinishedCall>): FinishedCall => ({
  key: 'k',
  trajectoryId: '01234567',
  place: { collectionId: 1, payer: 1, collection: 'acme', environmentId: null, taskName: '_chat' },
  author: 'me',
  scrub: makeScrubber([['KEY', 'sk-very-secret']]),
  shape: 'chat',
  stream: false,
  provider,
  model: 'gpt-4o',
  request: Buffer.from('{}'),
  hasOptions: false,
  status: 'completed',
  httpStatus: 200,
  error: null,
  answer: { kind: 'json', bytes: Buffer.from('{"a":1}'), truncated: false },
  cached: false,
  startedMs: 0,
  firstByteMs: 1,
  endedMs: 2,
  ...more,
})
const events = (...data: unknown[]) =>
  ({ kind: 'events', data: data.map((one) => JSON.stringify(one)), truncated: false }) as const
const eventsOf = (kept: CachedAnswer) => {
  const given = replayed(kept)
  const data: (string | undefined)[] = []
  if (given.kind === 'events') {
    given.source.readTo({ take: (frames) => data.push(...frames.map((frame) => frame.data)), end() {} })
  }
  return data
}
const delta = (content: string) => ({ id: 'c1', choices: [{ delta: { content } }] })

test('the hash tells shapes, addresses, models and requests apart, and nothing else', () => {
  const hash = (shape: 'chat' | 'messages', at: typeof target, sent: string) =>
    cacheHash(shape, at, Buffer.from(sent), {})
  const all = [
    hash('chat', target, '{}'),
    hash('messages', target, '{}'),
    hash('chat', { ...target, url: 'https://b.example/v1' }, '{}'),
    hash('chat', { ...target, model: 'gpt-4' }, '{}'),
    hash('chat', target, '{ }'),
  ]
  expect(new Set(all).size).toBe(all.length)
  expect(hash('chat', { ...target, headers: { authorization: 'Bearer another' } } as typeof target, '{}')).toBe(all[0])
})

test('a whole answer is kept as it was given', () => {
  expect(answerToKeep(call({}))).toEqual({
    provider: 'openai',
    model: 'gpt-4o',
    contentType: 'application/json',
    body: Buffer.from('{"a":1}'),
  })
})

test('a stream of a chat ends with [DONE]; the events of others have names', () => {
  const chat = answerToKeep(call({ stream: true, answer: events(delta('hi')) }))
  expect(chat?.body.toString()).toBe(`data: ${JSON.stringify(delta('hi'))}\n\ndata: [DONE]\n\n`)
  expect(eventsOf(chat!)).toEqual([JSON.stringify(delta('hi')), '[DONE]'])
  const messages = answerToKeep(call({ shape: 'messages', answer: events({ type: 'message_stop' }) }))
  expect(messages?.body.toString()).toBe('event: message_stop\ndata: {"type":"message_stop"}\n\n')
  expect(eventsOf(messages!)).toEqual(['{"type":"message_stop"}'])
  const spread = answerToKeep(call({ answer: { kind: 'events', data: ['{\n"a":1}'], truncated: false } }))
  expect(eventsOf(spread!)).toEqual(['{\n"a":1}', '[DONE]'])
})

test.each<[string, Partial<FinishedCall>]>([
  ['that failed', { status: 'failed' }],
  ['whose client went away', { status: 'cancelled' }],
  ['that was an error', { httpStatus: 400 }],
  ['that was longer than is kept', { answer: { kind: 'json', bytes: Buffer.from('{}'), truncated: true } }],
  ['that came from the cache', { cached: true }],
  ['that nobody gave', { provider: null }],
  ['with a secret in it', { answer: { kind: 'json', bytes: Buffer.from('{"a":"sk-very-secret"}'), truncated: false } }],
  ['with a secret cut in two', { answer: events(delta('sk-very'), delta('-secret')) }],
  ['with an event that is no JSON', { answer: { kind: 'events', data: ['what'], truncated: false } }],
])('an answer %s is not', (_, more) => {
  expect(answerToKeep(call(more))).toBeUndefined()
})

test('headers that ask for another answer make another request of it', () => {
  const hash = (headers: Record<string, string>) => cacheHash('messages', target, Buffer.from('{}'), headers)
  expect(hash({ 'anthropic-beta': 'x', 'user-agent': 'a' })).toBe(hash({ 'anthropic-beta': 'x', 'user-agent': 'b' }))
  expect(hash({ 'anthropic-beta': 'x' })).not.toBe(hash({}))
  expect(hash({ 'openai-beta': 'x' })).not.toBe(hash({ 'anthropic-beta': 'x' }))
})

test('an event with a name that is none is not kept: it could be read as several', () => {
  const answer = events({ type: 'message_start' }, { type: 'x\n\ndata: {"type":"message_stop"}' })
  expect(answerToKeep(call({ shape: 'messages', stream: true, answer }))).toBeUndefined()
})
