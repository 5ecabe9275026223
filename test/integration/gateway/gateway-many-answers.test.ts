import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rawPost } from '../../raw-post.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const roomBytes = 1024 * 1024
const largeCalls = 12
const chunksOfLarge = 8
const word = 'word '.repeat(13_000)

/** Answers that have said all but their end, with that end. */
const waiting: { response: ServerResponse; rest: string }[] = []
const finish = () => {
  for (const { response, rest } of waiting.splice(0)) response.end(rest)
}
const upstream = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const asked = JSON.parse(Buffer.concat(chunks).toString())
  const isLarge = asked.messages[0].content === 'large'
  if (!asked.stream) {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write(`{"choices":[{"index":0,"message":{"content":"${word.repeat(chunksOfLarge)}`)
  } else {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let at = 0; at < (isLarge ? chunksOfLarge : 1); at++)
      response.write(event({ content: isLarge ? word : 'short' }))
  }
  if (isLarge) waiting.push({ response, rest: asked.stream ? end : '"},"finish_reason":"stop"}]}' })
  else response.end(end)
})

const event = (delta: object, reason: string | null = null, more: object = {}) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: reason }], ...more })}\n\n`
const usage = { prompt_tokens: 7, completion_tokens: 9, total_tokens: 16 }
const end = `${event({}, 'stop')}data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`

let jetty: TestServer
let token: string

beforeAll(async () => {
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const { port } = upstream.address() as AddressInfo
  jetty = await startTestServer({
    env: { OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`, JETTY_OPEN_ANSWERS_BYTES: String(roomBytes) },
  })
  const environment_variables = { OPENAI_API_KEY: 'sk-unmistakable-many-answers-12' }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
  token = (await jetty.call('POST', '/api/v1/api-keys', { name: 'many', collection_name: 'acme' })).body.api_key
})
afterAll(async () => {
  await jetty?.close()
  upstream.closeAllConnections()
  upstream.close()
})

const ask = async (content: string, stream = true) => {
  const body = JSON.stringify({ model: 'gpt-4o-mini', stream, messages: [{ role: 'user', content }] })
  const answer = await rawPost(`${jetty.url}/v1/chat/completions`, body, { authorization: `Bearer ${token}` })
  const run: Body = await jetty.get('_chat', answer.headers['x-jetty-trajectory-id'] ?? '')
  return { ...answer, run, outputs: run.steps.completion.outputs }
}

test('many long answers at once are passed on whole and keep no more than their room; short ones are recorded whole', async () => {
  const large = Array.from({ length: largeCalls }, (_, at) => ask('large', at > 0))
  await expect.poll(() => waiting.length, { timeout: 40_000 }).toBe(largeCalls)
  const short = await ask('short')
  expect([short.outputs.text, short.outputs.truncated]).toEqual(['short', undefined])
  finish()
  const answers = await Promise.all(large)
  expect(
    answers.filter(
      ({ status, isWhole, text }) => status !== 200 || !isWhole || text.split('word').length < 13_000 * chunksOfLarge,
    ),
  ).toEqual([])
  expect(new Set(answers.map(({ run }) => run.status))).toEqual(new Set(['completed']))
  const cut = answers.filter(({ outputs }) => outputs.truncated)
  const keptBytes = answers.slice(1).reduce((sum, { outputs }) => sum + outputs.text.length, 0)
  expect(cut.length).toBeGreaterThan(largeCalls / 2)
  expect(keptBytes).toBeLessThan(roomBytes + largeCalls * 70_000)
  // What they used, and why they ended, is known all the same.
  const ends = answers.slice(1).map(({ outputs }) => [outputs.finish_reason, outputs.usage?.total_tokens])
  expect(ends).toEqual(ends.map(() => ['stop', 16]))

  // Their room is free again.
  const next = ask('large')
  await expect.poll(() => waiting.length, { timeout: 40_000 }).toBe(1)
  finish()
  expect((await next).outputs).not.toHaveProperty('truncated')
}, 120_000)
