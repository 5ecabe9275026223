// output_schema over real wires: the provider's own mode, words where it has none, one repair, and then a failure.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startFakeAnthropic } from '../../fakes/anthropic.ts'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import type { FakeProvider } from '../../fakes/wire-server.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const schema = {
  type: 'object',
  properties: { vendor: { type: 'string' }, total: { type: 'number', minimum: 0 } },
  required: ['vendor', 'total'],
  additionalProperties: false,
}
const good = '{"vendor":"Ada Ltd","total":12.5}'

let openai: FakeOpenAi
let anthropic: FakeProvider
let jetty: TestServer
beforeAll(async () => {
  ;[openai, anthropic] = await Promise.all([startFakeOpenAi(), startFakeAnthropic()])
  jetty = await startTestServer({
    env: {
      OPENAI_BASE_URL: openai.url,
      JETTY_ALLOW_PRIVATE_NETWORK: new URL(openai.url).host,
      ANTHROPIC_BASE_URL: anthropic.url,
    },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: {
      OPENAI_API_KEY: 'sk-of-structured-31c',
      ANTHROPIC_API_KEY: 'sk-ant-of-structured-31c',
      OLLAMA_BASE_URL: openai.url,
    },
  })
})
afterEach(() => {
  openai.asked.length = 0
  anthropic.asked.length = 0
})
afterAll(async () => {
  await jetty?.close()
  await Promise.all([openai?.close(), anthropic?.close()])
})

/** Reads an invoice, and uses its members as outputs in the next step. */
const read = (config: object): Promise<Body> =>
  jetty.run({
    step_configs: {
      read: { activity: 'litellm_chat', prompt: 'Read the invoice.', output_schema: schema, ...config },
      use: { activity: 'text_template', template: '{{read.outputs.vendor}}: {{read.outputs.total}}' },
    },
    steps: ['read', 'use'],
  })

describe('an answer that fits', () => {
  it("comes in OpenAI's own mode, and its members are outputs", async () => {
    openai.say(good)
    const run = await read({ model: 'gpt-4o-mini' })
    expect([run.status, run.error]).toEqual(['completed', null])
    expect(run.steps.use.outputs.text).toBe('Ada Ltd: 12.5')
    expect(run.steps.read.outputs.json).toEqual({ vendor: 'Ada Ltd', total: 12.5 })
    expect(openai.asked.map(({ body }) => body.response_format)).toEqual([
      { type: 'json_schema', json_schema: { name: 'answer', schema } },
    ])
    expect(openai.asked[0]?.body.messages).toEqual([{ role: 'user', content: 'Read the invoice.' }])
  })

  it("comes in Anthropic's own mode", async () => {
    anthropic.say({ text: good })
    const run = await read({ model: 'claude-sonnet-4-6' })
    expect([run.status, run.error]).toEqual(['completed', null])
    expect(run.steps.use.outputs.text).toBe('Ada Ltd: 12.5')
    expect(JSON.stringify(anthropic.asked[0]?.body)).toContain('"vendor"')
    expect(anthropic.asked[0]?.body.messages).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'Read the invoice.' }] },
    ])
  })

  it('is asked for in words where the provider has no mode', async () => {
    openai.say(`\`\`\`json\n${good}\n\`\`\``)
    const run = await read({ model: 'custom/ollama/llama3.2' })
    expect([run.status, run.error]).toEqual(['completed', null])
    expect(openai.asked[0]?.body).not.toHaveProperty('response_format')
    expect(openai.asked[0]?.body.messages[0]).toEqual({
      role: 'system',
      content: expect.stringContaining(JSON.stringify(schema)),
    })
  })

  it('is asked for in words when the model refuses the mode', async () => {
    openai.say(good)
    openai.script({ status: 400, body: { error: { message: 'response_format is not supported' } } })
    const run = await read({ model: 'gpt-4' })
    expect([run.status, openai.asked.length]).toEqual(['completed', 2])
    expect(openai.asked[1]?.body.response_format).toEqual({ type: 'json_object' })
  })
})

describe('an answer that does not fit', () => {
  it('is asked for once more, with the reason, and both calls are paid', async () => {
    openai.say((body) => (body.messages.length > 1 ? good : '{"vendor":"Ada Ltd","total":-1}'))
    const run = await read({ model: 'gpt-4o-mini' })
    expect([run.status, openai.asked.length]).toEqual(['completed', 2])
    expect(openai.asked[1]?.body.messages.slice(1)).toEqual([
      { role: 'assistant', content: '{"vendor":"Ada Ltd","total":-1}' },
      { role: 'user', content: expect.stringMatching(/^That answer cannot be used: total /) },
    ])
    expect(run.steps.read.outputs.usage).toMatchObject({ total_tokens: 2200 })
  })

  it.each([
    ['Sorry, I cannot.', /two attempts: it is not JSON/],
    ['{"vendor":1,"total":2,"more":3}', /two attempts: .*vendor/],
    [`{"vendor":${'['.repeat(1000)}`, /nested deeper than 512/],
  ])('twice, as %.20s, fails the step, and the raw answer is kept', async (said, message) => {
    openai.say(said)
    const run = await read({ model: 'gpt-4o-mini' })
    expect([run.status, openai.asked.length]).toEqual(['failed', 2])
    expect(run.error).toMatch(message)
    expect(run.steps.read.outputs).toMatchObject({ text: said, json: null, usage: { total_tokens: 2200 } })
  })
})

it('a model without a key answers by the schema, for tests', async () => {
  const run = await read({ model: 'scripted/json' })
  expect([run.status, run.error]).toEqual(['completed', null])
  expect(run.steps.read.outputs.json).toMatchObject({ vendor: expect.any(String), total: expect.any(Number) })
})

describe('a dry check', () => {
  const check = async (output_schema: object, text: string) => {
    const ask = { activity: 'litellm_chat', model: 'scripted/json', prompt: 'x', output_schema }
    const workflow = { step_configs: { ask, use: { activity: 'text_echo', text_path: text } }, steps: ['ask', 'use'] }
    return JSON.stringify((await jetty.call('POST', '/api/v1/workflows/check', { collection: 'acme', workflow })).body)
  }

  it('knows the outputs that a closed schema names', async () => {
    expect(await check(schema, 'ask.outputs.vendor')).not.toContain('leads to nothing')
    expect(await check(schema, 'ask.outputs.amount')).toContain("'ask.outputs.amount' leads to nothing")
    expect(await check({ ...schema, additionalProperties: true }, 'ask.outputs.amount')).not.toContain(
      'leads to nothing',
    )
  })

  it('names what is wrong with a schema', async () => {
    expect(await check({ type: 'object', properties: { a: { $ref: '#/$defs/no' } } }, 'ask.outputs.a')).toContain(
      '$ref',
    )
  })
})
