// What a streamed chat used is on record, whether or not its client wants to know.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { eventStream, eventStreamType, type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { rawPost } from '../../raw-post.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let fake: FakeOpenAi
let jetty: TestServer

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: fake.url, OPENROUTER_BASE_URL: fake.url } })
  const environment_variables = {
    OPENAI_API_KEY: 'sk-unmistakable-stream-usage-71d0',
    OPENROUTER_API_KEY: 'sk-unmistakable-stream-usage-71d1',
  }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})
afterEach(() => {
  fake.asked.length = 0
  fake.choose(undefined)
})

const hello = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }], stream: true }

const post = async (path: string, body: object) => {
  const answer = await rawPost(jetty.url + path, JSON.stringify(body), {
    authorization: `Bearer ${jetty.server.adminToken}`,
    'x-jetty-collection': 'acme',
  })
  const events = answer.text.split('\n\n').flatMap((block) => /^data: (\{.*)$/m.exec(block)?.[1] ?? [])
  return { ...answer, events: events.map((data): Body => JSON.parse(data)) }
}
const chat = (body: object) => post('/v1/chat/completions', body)

const recorded = async ({ headers }: { headers: Record<string, string> }, task = '_chat'): Promise<Body> =>
  (await jetty.get(task, headers['x-jetty-trajectory-id'] ?? '')).steps.completion

const counted = { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 }
const usageChunks = (events: Body[]) => events.filter(({ choices }) => choices.length === 0)

describe('a streamed chat', () => {
  it.each<[string, object]>([
    ['without stream_options', {}],
    ['with stream_options: null', { stream_options: null }],
    ['with include_usage: false', { stream_options: { include_usage: false, include_obfuscation: false } }],
  ])('is recorded with its usage and cost, which its client does not get: %s', async (_, more) => {
    const answer = await chat({ ...hello, ...more })
    const { outputs, usage, cost_usd } = await recorded(answer)
    expect(outputs).toMatchObject({ text: 'You said: hello', usage: counted, cost_usd: expect.closeTo(0.00021, 9) })
    expect(outputs.usage.estimated).toBeUndefined()
    expect({ usage, cost_usd }).toEqual({ usage: counted, cost_usd: outputs.cost_usd })
    expect(usageChunks(answer.events)).toEqual([])
    expect(answer.events.at(-1)?.choices[0].finish_reason).toBe('stop')
    expect(answer.text.endsWith('data: [DONE]\n\n')).toBe(true)
    const stream_options = { ...(more as Body).stream_options, include_usage: true }
    expect(fake.asked[0]?.body).toEqual({ ...hello, stream_options })
  })

  it('that asks for its usage gets it, and is sent as it is', async () => {
    const asking = { ...hello, stream_options: { include_usage: true } }
    const answer = await chat(asking)
    expect(usageChunks(answer.events)).toMatchObject([{ usage: counted }])
    expect(fake.asked[0]?.text).toBe(JSON.stringify(asking))
    expect((await recorded(answer)).outputs.usage).toMatchObject(counted)
  })

  it('shows neither its usage nor the question for it when its answer comes from the cache', async () => {
    const cached = { ...hello, messages: [{ role: 'user', content: 'twice' }], jetty: { runbook: false, cache: true } }
    const [first, again] = [await chat(cached), await chat(cached)]
    expect([first.headers['x-jetty-cache'], again.headers['x-jetty-cache']]).toEqual(['miss', 'hit'])
    expect(again.text).toBe(first.text)
    expect(usageChunks(again.events)).toEqual([])
    expect((await recorded(again)).outputs).toMatchObject({ usage: counted, cost_usd: 0 })
  })

  it('keeps an event without choices that is not its usage', async () => {
    const filter = `data: ${JSON.stringify({ id: 'x', choices: [], prompt_filter_results: [{ prompt_index: 0 }] })}\n\n`
    fake.script({ headers: eventStreamType, body: filter + eventStream('gpt-4o-mini', 'fine') })
    const answer = await chat(hello)
    expect(usageChunks(answer.events)).toMatchObject([{ prompt_filter_results: [{ prompt_index: 0 }] }])
  })
})

describe('a provider that does not take the question', () => {
  const refusals: [string, object][] = [
    [
      'vLLM',
      { object: 'error', message: "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options')}]", code: 400 },
    ],
    ['Mistral', { object: 'error', message: { detail: [{ loc: ['body', 'stream_options', 'include_usage'] }] } }],
    [
      'Azure',
      { error: { message: 'Unrecognized request argument supplied: stream_options', type: 'invalid_request_error' } },
    ],
  ]
  it.each(refusals)(
    'is asked without it, at once the next time, and its tokens are estimated: %s',
    async (name, body) => {
      const model = `gpt-4o-mini-of-${name.toLowerCase()}`
      fake.choose((sent) => (sent.stream_options === undefined ? undefined : { status: 400, body }))
      const said = { ...hello, model: `openai/${model}` }
      const answer = await chat(said)
      expect([answer.status, fake.asked.length]).toEqual([200, 2])
      expect(fake.asked[1]?.body.stream_options).toBeUndefined()
      const { outputs, usage } = await recorded(answer)
      expect(outputs.usage).toMatchObject({ completion_tokens: expect.any(Number), estimated: true })
      expect(outputs.usage.completion_tokens).toBeGreaterThan(2)
      expect(outputs.usage.prompt_tokens).toBeGreaterThan(2)
      expect(usage).toMatchObject({ total_tokens: outputs.usage.total_tokens, estimated: true })
      await chat(said)
      expect(fake.asked).toHaveLength(3)
    },
  )

  it('and counts in any case gets the bytes of the client, which gets those of the provider', async () => {
    const body = eventStream('mistral-small', 'one two')
    fake.script({ headers: eventStreamType, body })
    const answer = await chat({ ...hello, model: 'openrouter/mistralai/mistral-small' })
    expect([answer.text, fake.asked[0]?.body]).toEqual([body, { ...hello, model: 'mistralai/mistral-small' }])
    expect((await recorded(answer)).outputs.usage).toMatchObject(counted)
  })

  it('is not asked again for another fault', async () => {
    fake.choose(() => ({ status: 400, body: { error: { message: 'max_tokens is too large' } } }))
    const answer = await chat({ ...hello, model: 'openai/gpt-4o-small' })
    expect([answer.status, fake.asked.length]).toEqual([400, 1])
  })

  it('has its question dropped, too, where messages are converted to a chat', async () => {
    fake.choose((sent) => (sent.stream_options === undefined ? undefined : { status: 400, body: refusals[0]?.[1] }))
    const answer = await post('/v1/messages', { ...hello, model: 'openai/gpt-4o-mini-old', max_tokens: 9 })
    expect([answer.status, fake.asked.length]).toEqual([200, 2])
    expect((await recorded(answer, '_messages')).outputs).toMatchObject({
      text: 'You said: hello',
      usage: { estimated: true },
    })
  })
})

describe('tokens that nobody counted', () => {
  const word = `data: ${JSON.stringify({ id: '1', choices: [{ index: 0, delta: { content: 'word ' } }] })}\n\n`

  it('are estimated, with their cost, when a stream states none', async () => {
    const end = `data: ${JSON.stringify({ id: '1', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\n`
    fake.script({ headers: eventStreamType, body: `${word.repeat(40)}${end}data: [DONE]\n\n` })
    const { outputs, usage, cost_usd } = await recorded(await chat(hello))
    expect(outputs.usage).toMatchObject({ completion_tokens: 50, estimated: true })
    expect(outputs.cost_usd).toBeGreaterThan(0)
    expect(usage).toMatchObject({ completion_tokens: 50, estimated: true })
    expect(cost_usd).toBe(outputs.cost_usd)
  })

  it('are estimated as far as they came when the client leaves', async () => {
    fake.script({ headers: eventStreamType, body: word.repeat(40), stallAfterBytes: word.length * 40 })
    const leaving = new AbortController()
    const response = await fetch(`${jetty.url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${jetty.server.adminToken}`,
        'content-type': 'application/json',
        'x-jetty-collection': 'acme',
      },
      body: JSON.stringify(hello),
      signal: leaving.signal,
    })
    const id = response.headers.get('x-jetty-trajectory-id') ?? ''
    const reader = response.body!.getReader()
    for (let bytes = 0; bytes < word.length * 40; ) bytes += (await reader.read()).value?.length ?? 0
    leaving.abort()
    const run = await jetty.until('_chat', id, ({ status }) => status !== undefined)
    expect(run.status).toBe('cancelled')
    expect(run.steps.completion.outputs).toMatchObject({ usage: { completion_tokens: 50, estimated: true } })
    expect(run.steps.completion.outputs.cost_usd).toBeGreaterThan(0)
  })
})

describe('a scripted model', () => {
  it.each([false, true])('costs nothing, and that is known: streamed %s', async (stream) => {
    const answer = await chat({ ...hello, model: 'scripted/echo', stream })
    const run = await jetty.get('_chat', answer.headers['x-jetty-trajectory-id'] ?? '')
    expect(run).toMatchObject({ cost_usd: 0, usage: { total_tokens: 2 } })
    expect(run.steps.completion.outputs).toMatchObject({ text: 'hello', cost_usd: 0, usage: { total_tokens: 2 } })
  })

  it('costs nothing in a step', async () => {
    const task = await jetty.task({
      steps: ['ask'],
      step_configs: { ask: { activity: 'litellm_chat', model: 'scripted/echo', prompt: 'hello' } },
    })
    const { body } = await jetty.call('POST', `/api/v1/run-sync/acme/${task}`, {})
    expect(body.steps.ask.outputs).toMatchObject({ text: 'hello', cost_usd: 0 })
  })
})

it('a response with calls of tools has ended with them', async () => {
  const output = [
    { type: 'function_call', call_id: 'c1', name: 'look', arguments: '{}', id: 'fc1', status: 'completed' },
  ]
  const usage = { input_tokens: 5, output_tokens: 2, total_tokens: 7 }
  fake.script({ body: { id: 'r', object: 'response', status: 'completed', model: 'gpt-4o-mini', output, usage } })
  const answer = await post('/v1/responses', { model: 'gpt-4o-mini', input: 'hello' })
  expect((await recorded(answer, '_responses')).outputs).toMatchObject({
    finish_reason: 'tool_calls',
    tool_calls: [{ id: 'c1', function: { name: 'look' } }],
  })
})
