import { expect, test } from 'vitest'
import { AppError } from '../lib/errors.ts'
import { doAtOnce } from '../lib/slices.ts'
import { shapes } from '../model/gateway/shape.ts'
import { type AskedCall, askedOf, readAsked, upstreamBody } from './read-call.ts'

const read = (body: string | Buffer, shape: 'chat' | 'embeddings' = 'chat') =>
  doAtOnce(readAsked(Buffer.from(body as string), shape))

const plain = (text: string): AskedCall => {
  const asked = read(text)
  if (asked === 'runbook') throw new Error('it asks for a runbook')
  return asked
}
const sent = (text: string, named = 'gpt-4o-mini') => upstreamBody(plain(text), named).toString()
const refused = (text: string | Buffer, shape: 'chat' | 'embeddings' = 'chat') => {
  try {
    if (read(text, shape) === 'runbook') return 'runbook'
  } catch (error) {
    if (error instanceof AppError) return `${error.status} ${error.issues?.[0]?.msg ?? error.message}`
  }
  return 'taken'
}

test('the model is renamed in place and the block is cut out; every other byte stays', () => {
  const text = '{ "model":"openai/gpt-4o-mini",\n "seed": 12345678901234567890, "x":[1.0e2 ,"\\u00e9"], "messages":[] }'
  expect(sent(text)).toBe(text.replace('openai/gpt-4o-mini', 'gpt-4o-mini'))
  expect(sent('{"jetty":{"runbook":false,"task":"t"},"model":"gpt-4o-mini"}')).toBe('{"model":"gpt-4o-mini"}')
  expect(sent('{"model":"a","model":"b","jetty":null}')).toBe('{"model":"gpt-4o-mini"}')
})

test('a block in extra_body counts, and extra_body goes where nothing else was in it', () => {
  const inside = '{"model":"gpt-4o-mini","extra_body":{"top_k":1,"jetty":{"runbook":false,"task":"t"}}}'
  expect(plain(inside).block.task).toBe('t')
  expect(sent(inside)).toBe('{"model":"gpt-4o-mini","extra_body":{"top_k":1}}')
  expect(sent('{"model":"gpt-4o-mini","extra_body":{"jetty":{"runbook":false}}}')).toBe('{"model":"gpt-4o-mini"}')
})

test('what is no call is refused in words', () => {
  const noJson = '400 The body is not a valid JSON object'
  for (const text of [
    '',
    'x',
    '[]',
    '"a"',
    '{"model":"a"',
    '{"model":"a"} x',
    '{"model":"a","x":tru}',
    '{"model":"a","x":01}',
  ]) {
    expect(refused(text), text).toBe(noJson)
  }
  expect(refused(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBe(noJson)
  expect(refused('{"messages":[]}')).toBe('400 model: expected the name of a model')
  expect(refused('{"model":7}')).toBe('400 model: expected the name of a model')
  expect(refused('{"model":"a","jetty":{"runbook":false,"task":"a b"}}')).toMatch(/^400 jetty\.task: Expected the name/)
  expect(refused('{"model":"a","jetty":7}')).toMatch(/^400 jetty: /)
  expect(() => read('{"model":"a","jetty":7}')).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('collection, task, record') }),
  )
})

test('each kind of call has a task of its own, which a block may name', () => {
  for (const shape of shapes) {
    expect(plain(`{"model":"a","jetty":{"runbook":false,"task":"_${shape}"}}`).block.task).toBe(`_${shape}`)
  }
})

test('the model of a path becomes the first member, and is not sent on', () => {
  const inPath = { model: 'a"b', stream: true, isArray: false }
  const named = (text: string): AskedCall => {
    const asked = doAtOnce(readAsked(Buffer.from(text), 'gemini', inPath))
    if (asked === 'runbook') throw new Error('it asks for a runbook')
    return asked
  }
  for (const [text, body, left] of [
    ['{}', '{"model":"a\\"b"}', '{}'],
    [' { "contents":[1] }', ' {"model":"a\\"b", "contents":[1] }', ' {"contents":[1] }'],
    ['{"model":"c","contents":[],"model":7}', '{"model":"a\\"b","contents":[]}', '{"contents":[]}'],
    ['{"jetty":{"task":"t"},"contents":[]}', '{"model":"a\\"b","jetty":{"task":"t"},"contents":[]}', '{"contents":[]}'],
  ] as const) {
    const asked = named(text)
    expect([asked.body.toString(), asked.model, asked.stream]).toEqual([body, 'a"b', true])
    expect(JSON.parse(upstreamBody(asked, 'other').toString())).toEqual(JSON.parse(left))
    expect(JSON.parse(upstreamBody(askedOf(asked, 'other'), 'other').toString())).toEqual(JSON.parse(left))
  }
})

test('a jetty block without "runbook": false asks for a runbook, in a chat alone', () => {
  expect(refused('{"model":"a","jetty":{"collection":"acme"}}')).toBe('runbook')
  expect(refused('{"extra_body":{"jetty":{"runbook":true}}}')).toBe('runbook')
  expect(refused('{"model":"a","jetty":{"runbook":"# Do it"}}', 'embeddings')).toMatch(/^422 .*chat completion/)
  expect(refused('{"model":"a","jetty":{"collection":"acme"}}', 'embeddings')).toBe('taken')
})
