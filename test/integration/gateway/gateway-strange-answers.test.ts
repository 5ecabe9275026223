import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { completion, type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { rawPost } from '../../raw-post.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let fake: FakeOpenAi
let jetty: TestServer

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({
    env: { OPENAI_BASE_URL: fake.url, ANTHROPIC_BASE_URL: `http://127.0.0.1:${fake.port}` },
  })
  const key = 'sk-unmistakable-strange-answers-41aa'
  const variables = { environment_variables: { OPENAI_API_KEY: key, ANTHROPIC_API_KEY: key } }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', variables)
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})

const ask = async (body: string | object, asked: object, path: string) => {
  const stream = typeof body === 'string'
  fake.script({ body, ...(stream ? { headers: { 'content-type': 'text/event-stream' } } : {}) })
  const text = JSON.stringify({ model: 'gpt-4o-mini', messages: [], stream, ...asked })
  const token = jetty.server.adminToken
  const headers = { authorization: `Bearer ${token}`, 'x-jetty-collection': 'acme' }
  const answer = await rawPost(jetty.url + path, text, headers)
  const id = answer.headers['x-jetty-trajectory-id'] ?? ''
  const task = path.endsWith('messages') ? '_messages' : path.endsWith('generations') ? '_images' : '_chat'
  const record: Body = await jetty.until(task, id, ({ status }) => status !== undefined)
  return { ...answer, record }
}
const chat = (body: string | object, asked: object = {}) => ask(body, asked, '/v1/chat/completions')
const messages = (body: string) => ask(body, { model: 'claude-sonnet-4-6', max_tokens: 9 }, '/v1/messages')

const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`
const chunk = (delta: object, reason: string | null = null) =>
  event({ choices: [{ index: 0, delta, finish_reason: reason }] })
const end = `${chunk({}, 'stop')}data: [DONE]\n\n`
/** As text: a value that is nested so deeply cannot be written by JSON.stringify. */
const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

describe('tokens that are no count', () => {
  const used = async (usage: object) => {
    const { status, record } = await chat(completion('gpt-4o-mini', 'hello', { usage }))
    const { total_tokens, estimated } = record.steps.completion.outputs.usage
    return [status, record.status, estimated ? 'estimated' : total_tokens]
  }
  it('are rounded where they are broken', async () => {
    expect(await used({ prompt_tokens: 1.5, completion_tokens: 1, total_tokens: 2.5 })).toEqual([200, 'completed', 3])
  })
  it.each([1e300, 9e18, -5, 'many'])('are estimated where they are %s', async (tokens) => {
    const usage = { prompt_tokens: tokens, completion_tokens: tokens, total_tokens: tokens }
    expect(await used(usage)).toEqual([200, 'completed', 'estimated'])
  })
})

describe('an answer that is nested too deeply to be walked', () => {
  it('is passed on and recorded as a text, in a stream', async () => {
    const body = `data: {"choices":[{"index":0,"delta":${nested(200_000)}}]}\n\n${end}`
    const { text, isWhole, record } = await chat(body)
    expect([text === body, isWhole, record.status]).toEqual([true, true, 'completed'])
    expect(record.steps.completion.outputs.response).toContain('{"choices":[{"index":0,"delta":{"a":{"a":')
  })
  it('is passed on and recorded as a text, whole and with what may be bytes', async () => {
    const body = Buffer.from(`{"b64_json":"x","deep":${nested(200_000)}}`)
    const { text, isWhole, record } = await chat(body)
    expect([text === body.toString(), isWhole, record.status]).toEqual([true, true, 'completed'])
  })
})

describe('an answer of very many pieces holds nobody up', () => {
  const pieces = 20_000
  const many = (piece: (at: number) => string) => Array.from({ length: pieces }, (_, at) => piece(at)).join('')

  it.each([
    ['calls of tools', many((at) => chunk({ tool_calls: [{ index: at, id: 'a' }] })) + end, chat],
    ['kinds of one call', many((at) => chunk({ tool_calls: [{ index: 0, type: `t${at}` }] })) + end, chat],
    ['choices', many((at) => event({ choices: [{ index: at, delta: { content: 'a' } }] })) + end, chat],
    [
      'citations',
      many((at) => event({ type: 'content_block_delta', index: 0, delta: { type: 'citations_delta', citation: at } })) +
        event({ type: 'message_stop' }),
      messages,
    ],
    [
      'members of a message',
      many((at) => event({ type: 'message_delta', delta: { [`m${at}`]: at }, usage: { [`u${at}`]: at } })) +
        event({ type: 'message_stop' }),
      messages,
    ],
  ])(
    '%s',
    async (_, body, by) => {
      const before = process.cpuUsage().user // however long the machine stands still, this does not grow
      const { isWhole, record } = await by(body)
      expect([isWhole, record.status]).toEqual([true, 'completed'])
      expect((process.cpuUsage().user - before) / 1000).toBeLessThan(2_000) // to look through all of them for each one takes longer
    },
    120_000,
  )
})

it('many large answers at once are taken for no outage of the database', async () => {
  const body = chunk({ content: 'a large answer '.repeat(5_000) }).repeat(20) + end
  const answers = await Promise.all(Array.from({ length: 40 }, () => chat(body)))
  expect(new Set(answers.map(({ record }) => record.status))).toEqual(new Set(['completed']))
  const { records } = jetty.server.engine.statistics()
  expect(records.spilled).toBe(0)
}, 180_000)

describe('a stream without its last event', () => {
  const choice = (index: number, finish_reason: string | null = null) =>
    event({ choices: [{ index, delta: { content: 'x' }, finish_reason }] })
  it.each<[string, boolean, string]>([
    ['all choices have finished', true, choice(0) + choice(1) + choice(1, 'stop') + choice(0, 'stop')],
    ['one of two choices has finished', false, choice(0) + choice(1) + choice(0, 'stop')],
  ])('is complete, or not, where %s: %s', async (_, isComplete, body) => {
    const { isWhole, text, record } = await chat(body)
    expect([isWhole, record.status]).toEqual([isComplete, isComplete ? 'completed' : 'failed'])
    expect(text.endsWith('data: [DONE]\n\n')).toBe(isComplete)
  })

  it('is complete where its image is', async () => {
    const partial = event({ type: 'image_generation.partial_image', b64_json: 'AA==', partial_image_index: 0 })
    const done = event({ type: 'image_generation.completed', b64_json: 'AAAA', usage: { total_tokens: 9 } })
    const images = (body: string) => ask(body, { model: 'gpt-image-1', prompt: 'a cat' }, '/v1/images/generations')
    const whole = await images(partial + done)
    expect([whole.isWhole, whole.text, whole.record.status]).toEqual([true, partial + done, 'completed'])
    const broken = await images(partial)
    expect([broken.isWhole, broken.record.status]).toEqual([false, 'failed'])
  })
})
