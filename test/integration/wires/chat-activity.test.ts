import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { makeSpender } from '../../../src/store/calls/budget.ts'
import { findClosedPort } from '../../closed-port.ts'
import { completion, type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const inEnvironment = 'sk-of-the-collection-81f3ac'
const ofTheRun = 'sk-of-one-run-only-5d02be'

let fake: FakeOpenAi
let jetty: TestServer
let closedPort: number

beforeAll(async () => {
  fake = await startFakeOpenAi()
  closedPort = await findClosedPort()
  jetty = await startTestServer({
    env: {
      OPENAI_BASE_URL: fake.url,
      OPENROUTER_BASE_URL: `${fake.url}/openrouter`,
      GEMINI_BASE_URL: `${fake.url}/gemini`,
      JETTY_MODEL_IDLE_SECONDS: '1',
      // By name alone: 127.0.0.1 is reached where the server itself was told so.
      JETTY_ALLOW_PRIVATE_NETWORK: `localhost:${fake.port},localhost:${closedPort}`,
    },
  })
  await setEnvironment({ OPENAI_API_KEY: inEnvironment })
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})
afterEach(() => {
  fake.asked.length = 0
})

const setEnvironment = (variables: Record<string, string | null>) =>
  jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: variables })

const chat = (config: Record<string, unknown>, form: Record<string, unknown> = {}): Promise<Body> =>
  jetty.run({ step_configs: { ask: { activity: 'litellm_chat', ...config } }, steps: ['ask'] }, form)

const warningsOf = async (run: Body): Promise<string[]> => {
  const { body } = await jetty.call('GET', `/api/v1/workflows-logs/${run.workflow_id}?level=warning`)
  return body.events.map((event: Body) => event.message)
}

const bearers = () => fake.asked.map(({ headers }) => headers.authorization)
const upstreamError = (message: string) => ({ error: { message, type: 'error', param: null, code: null } })

describe('litellm_chat', () => {
  it('asks with the key of the collection, and records answer, usage and cost', async () => {
    const run = await chat({ system_prompt: 'Be brief.', prompt: 'Hi', temperature: 0.2, max_tokens: 50 })
    expect(run.status).toBe('completed')
    expect(fake.asked[0]).toMatchObject({ method: 'POST', path: '/v1/chat/completions' })
    expect(fake.asked[0]?.body).toEqual({
      model: 'gpt-4o-mini',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hi' },
      ],
      temperature: 0.2,
      max_tokens: 50,
    })
    expect(bearers()).toEqual([`Bearer ${inEnvironment}`])
    expect(run.steps.ask.outputs).toEqual({
      text: 'You said: Hi',
      content: 'You said: Hi',
      model: 'gpt-4o-mini',
      provider: 'openai',
      finish_reason: 'stop',
      usage: {
        prompt_tokens: 1000,
        completion_tokens: 100,
        total_tokens: 1100,
        cached_tokens: 0,
        reasoning_tokens: 0,
      },
      cost_usd: expect.closeTo(0.00021, 8),
    })
  })

  it('sorts runs by what they cost, also where a call ends after its run', async () => {
    const run = await chat({ prompt: 'Hi' })
    await chat({ prompt: 'Hi' })
    const dearest = async () => (await jetty.call('GET', '/api/v1/runs/acme?sort=cost&limit=1')).body.runs[0]
    expect((await dearest()).trajectory_id).not.toBe(run.trajectory_id)
    const [row] = await jetty.server.database.query<{ id: string; collection_id: number; task_id: number }>(
      'select id, collection_id, task_id from runs where trajectory_id = $1',
      [run.trajectory_id],
    )
    const { id: runKey = '', collection_id: collectionId = 0, task_id: taskId = 0 } = row ?? {}
    await makeSpender(jetty.server.database)({ collectionId, taskId, runKey, model: 'openai/m', usd: 2, tokens: 9 })
    expect(await dearest()).toMatchObject({ trajectory_id: run.trajectory_id, cost_usd: expect.closeTo(2.00021, 8) })
  })

  it('asks with the key of the run rather than that of the collection', async () => {
    await chat({ prompt: 'Hi' }, { secret_params: { OPENAI_API_KEY: ofTheRun } })
    expect(bearers()).toEqual([`Bearer ${ofTheRun}`])
  })

  it('asks with the key of the step, which is recorded as ***', async () => {
    const run = await chat(
      { prompt: 'Hi', api_key_path: 'env.SPECIAL' },
      { secret_params: { SPECIAL: 'sk-special-key-774411' } },
    )
    expect(bearers()).toEqual(['Bearer sk-special-key-774411'])
    expect(run.steps.ask.inputs.api_key).toBe('***')
    const written = await chat({ prompt: 'Hi', api_key: 'short' })
    expect(written.steps.ask.inputs.api_key).toBe('***')
  })

  describe('where no key serves the model', () => {
    const groq = { activity: 'litellm_chat', model: 'groq/llama-3.3-70b-versatile', prompt: 'Hi' }
    const unserved = /^Step 'ask': Model '.*' cannot be served: set GROQ_API_KEY/
    const first = { activity: 'litellm_chat', prompt: 'Which model?' }
    const steps = ['first', 'ask']

    it.each([
      ['its config names', { model: groq.model }, {}],
      ['its init_params name', { model_path: 'init_params.m' }, { init_params: { m: groq.model } }],
      ['its config and init_params name together', { model: 'groq/{{ init_params.m }}' }, { init_params: { m: 'x' } }],
      ['it names by its provider', { model: 'x', model_provider: 'groq' }, {}],
    ])('fails a run with a model that %s, before its first step', async (_, named, form) => {
      const { model: _of, ...ask } = groq
      const workflow = { step_configs: { first, ask: { ...ask, ...named } }, steps }
      const run = await jetty.run(workflow, form)
      expect(run).toMatchObject({ status: 'failed', steps: {}, error: expect.stringMatching(unserved) })
      expect(fake.asked).toEqual([])
    })

    it('fails the step before anything is sent, where an earlier one has put the name out', async () => {
      fake.script({ body: completion('gpt-4o-mini', groq.model) })
      const { model: _, ...ask } = { ...groq, model_path: 'first.outputs.text' }
      const run = await jetty.run({ step_configs: { first, ask }, steps })
      expect(run.error).toContain("Model 'groq/llama-3.3-70b-versatile' cannot be served: set GROQ_API_KEY")
      expect(run.steps.ask.error_detail).toMatchObject({ code: 'model_unavailable', retryable: false })
      expect(fake.asked).toHaveLength(1)
    })

    it('runs and fails with what is wrong with its workflow, where there is more', async () => {
      const run = await jetty.run({
        step_configs: { ask: { ...groq, prompt_path: 'nobody.outputs.text' } },
        steps: ['ask'],
      })
      expect(run.error).toContain("there is no step 'nobody'")
    })

    it('leaves to others what they may answer', async () => {
      const workflow = { step_configs: { ask: groq }, steps: ['ask'] }
      const settings = '/api/v1/collections/acme/settings'
      await jetty.call('PATCH', settings, { fallback_models: ['gpt-4o-mini'] })
      expect((await jetty.run(workflow)).status).toBe('completed')
      await jetty.call('PATCH', settings, { fallback_models: null })
      expect((await jetty.run(workflow)).error).toMatch(unserved)
    })
  })

  it('takes no key of the process', async () => {
    process.env.GROQ_API_KEY = 'sk-of-the-process-9911'
    try {
      const run = await chat({ model: 'groq/llama-3.3-70b-versatile', prompt: 'Hi' })
      expect([run.status, run.error]).toEqual(['failed', expect.stringContaining('GROQ_API_KEY')])
      expect(fake.asked).toEqual([])
    } finally {
      delete process.env.GROQ_API_KEY
    }
  })

  it('reaches Claude through OpenRouter, whose word on the cost counts', async () => {
    const usage = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7, cost: 0.125 }
    fake.script({ body: completion('x', 'Bonjour', { usage }) })
    const run = await chat(
      { model: 'claude-sonnet-4-6', prompt: 'Hi' },
      { secret_params: { OPENROUTER_API_KEY: 'or-key-of-a-run-3344' } },
    )
    expect(fake.asked[0]).toMatchObject({ path: '/v1/openrouter/chat/completions' })
    expect(fake.asked[0]?.body.model).toBe('anthropic/claude-sonnet-4.6')
    expect(run.steps.ask.outputs).toMatchObject({ text: 'Bonjour', cost_usd: 0.125, provider: 'openrouter' })
  })

  it('takes old names with a warning, a template with its parameters, and makes one text of what is none', async () => {
    const old = await chat({ user_prompt_path: 'init_params.q' }, { init_params: { q: 'Old name' } })
    expect(fake.asked[0]?.body.messages).toEqual([{ role: 'user', content: 'Old name' }])
    expect(old.status).toBe('completed')
    await chat(
      {
        user_prompt_template: 'Sum up {{ text }} for {{who}}',
        user_prompt_params: { text_path: 'init_params.t', who: 'me' },
      },
      { init_params: { t: ['a', 1] } },
    )
    expect(fake.asked[1]?.body.messages).toEqual([{ role: 'user', content: 'Sum up ["a",1] for me' }])
    const json = await chat({ prompt_path: 'init_params.rows' }, { init_params: { rows: [{ a: 1 }] } })
    expect(fake.asked[2]?.body.messages).toEqual([{ role: 'user', content: '[{"a":1}]' }])
    expect(await warningsOf(json)).toEqual(['prompt is not a text and was sent as JSON'])
    expect(await warningsOf(old)).toEqual(["parameter 'user_prompt' is an old name; use 'prompt'"])
  })

  it('takes a conversation, between system prompt and prompt', async () => {
    const messages = [
      { role: 'user', content: 'first' },
      { role: 'assistant', content: 'second' },
    ]
    await chat({ system_prompt: 'S', messages, prompt: 'third' })
    expect(fake.asked[0]?.body.messages.map((one: Body) => one.content)).toEqual(['S', 'first', 'second', 'third'])
    const none = await chat({ system_prompt: 'S' })
    expect(none.error).toContain('litellm_chat needs the parameter prompt or messages')
  })

  it('gives parsed JSON, and its members as outputs of their own', async () => {
    const format = { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object' } } }
    fake.script({ body: completion('x', '```json\n{"summary":"short","text":"clash","n":3}\n```') })
    const run = await jetty.run({
      step_configs: {
        ask: { activity: 'litellm_chat', prompt: 'Hi', response_format: format },
        use: { activity: 'text_echo', text_path: 'ask.outputs.summary' },
      },
      steps: ['ask', 'use'],
    })
    expect(fake.asked[0]?.body.response_format).toEqual(format)
    const outputs = run.steps.ask.outputs
    expect(outputs).toMatchObject({ json: { summary: 'short', text: 'clash', n: 3 }, summary: 'short', n: 3 })
    expect(outputs.text).toContain('```json')
    expect(run.steps.use.outputs.text).toBe('short')
    fake.script({ body: completion('x', 'Sorry, no.') })
    const none = await chat({ prompt: 'Hi', response_format: { type: 'json_object' } })
    expect(none.steps.ask.outputs.json).toBeNull()
    expect(await warningsOf(none)).toEqual(['the answer is not the JSON that was requested; finish_reason is stop'])
  })

  it('needs no key for scripted models, and says that they are none', async () => {
    const run = await chat({ model: 'scripted/echo', prompt: 'ping' })
    expect(run.steps.ask.outputs).toMatchObject({ text: 'ping', provider: 'scripted', cost_usd: 0 })
  })
})

describe('a provider that does not answer well', () => {
  it.each([
    [401, 'Incorrect API key provided: {key}.', 'OpenAI answered 401: Incorrect API key provided: ***.'],
    [403, 'Country not supported', 'OpenAI answered 403: Country not supported'],
    [404, 'The model does not exist', 'OpenAI answered 404: The model does not exist'],
    [400, 'Bad temperature', 'OpenAI answered 400: Bad temperature'],
  ])('with %i fails the step at once, in its words and never with the key', async (status, said, error) => {
    fake.script({ status, body: upstreamError(said.replace('{key}', inEnvironment)) })
    const run = await chat({ prompt: 'Hi' })
    expect(run.error).toBe(`Step 'ask' failed: ${error}`)
    expect(run.steps.ask.error_detail).toMatchObject({ code: 'upstream_failed', retryable: false })
    expect(fake.asked).toHaveLength(1)
  })

  it('is asked again after 429, when it says', async () => {
    fake.script({ status: 429, headers: { 'retry-after': '1' }, body: upstreamError('Slow down') })
    const before = Date.now()
    expect((await chat({ prompt: 'Hi' })).status).toBe('completed')
    expect(Date.now() - before).toBeGreaterThanOrEqual(990)
    expect(fake.asked).toHaveLength(2)
  })

  it('is not waited for where it asks for more than a minute', async () => {
    fake.script({ status: 429, headers: { 'retry-after': '3600' }, body: upstreamError('Quota used up') })
    expect((await chat({ prompt: 'Hi' })).error).toContain('OpenAI answered 429: Quota used up')
    expect(fake.asked).toHaveLength(1)
  })

  it('is asked three times in all after 500, and the step is not tried again', async () => {
    const down = { status: 500, headers: { 'retry-after-ms': '20' }, body: upstreamError('Oh no') }
    fake.script(down, down, down)
    const run = await chat({ prompt: 'Hi' })
    expect(run.error).toBe("Step 'ask' failed: OpenAI answered 500: Oh no (tried 3 times)")
    expect(run.steps.ask.attempt ?? 1).toBe(1)
    expect(fake.asked).toHaveLength(3)
  })

  it('is asked again where the connection broke in the middle of an answer', async () => {
    fake.script({ body: completion('x', 'cut'), cutAfterBytes: 40 })
    expect((await chat({ prompt: 'Hi' })).steps.ask.outputs.text).toBe('You said: Hi')
    expect(fake.asked).toHaveLength(2)
  })

  it('is asked again where an answer stops in the middle', async () => {
    fake.script({ body: completion('x', 'stall'), stallAfterBytes: 40 })
    expect((await chat({ prompt: 'Hi' })).steps.ask.outputs.text).toBe('You said: Hi')
  })

  it.each([
    ['cut JSON', { body: '{"choices": [{' }, 'a chat completion (application/json): {"choices": [{'],
    ['JSON that is something else', { body: { hello: 1 } }, 'a chat completion (application/json): {"hello":1}'],
    [
      'a page',
      { body: '<html><body>Sign in</body></html>', headers: { 'content-type': 'text/html' } },
      'a chat completion (text/html): <html><body>Sign in',
    ],
    [
      'a page with a 403',
      { status: 403, body: '<html><h1>Blocked</h1></html>', headers: { 'content-type': 'text/html' } },
      'OpenAI answered 403: Blocked',
    ],
  ])('fails the step with %s, and shows it', async (_, script, error) => {
    fake.script(script)
    const run = await chat({ prompt: 'Hi' })
    expect(run.status).toBe('failed')
    expect(run.error).toContain(error)
    expect(fake.asked).toHaveLength(1)
  })
})

describe('a base URL of the environment', () => {
  const ask = (base: string, model = 'local/tiny') =>
    chat({ model, prompt: 'Hi' }, { secret_params: { LOCAL_BASE_URL: base } })

  it('is called through the guard: a private one that the server does not allow is refused', async () => {
    const run = await chat({ prompt: 'Hi' }, { secret_params: { OPENAI_BASE_URL: `http://127.0.0.2:${fake.port}/v1` } })
    expect(run.steps.ask.error_detail).toMatchObject({ code: 'address_refused' })
    for (const base of [`http://127.0.0.2:${fake.port}/v1`, 'http://[::1]:1/v1', 'http://169.254.169.254/latest']) {
      expect((await ask(base, 'custom/local/m')).steps.ask.error_detail.code).toBe('address_refused')
    }
    expect(fake.asked).toEqual([])
  })

  it('may be private where the server allows it, and gets no key that was not meant for it', async () => {
    const run = await ask(`http://localhost:${fake.port}/v1/`)
    expect(run.steps.ask.outputs).toMatchObject({ provider: 'custom/local', model: 'tiny', text: 'You said: Hi' })
    expect(fake.asked[0]).toMatchObject({ path: '/v1/chat/completions' })
    expect(bearers()).toEqual([undefined])
  })

  it('where nobody listens is tried three times', async () => {
    const run = await ask(`http://localhost:${closedPort}/v1`)
    expect(run.steps.ask.error_detail).toMatchObject({ code: 'network_failed', retryable: false })
    expect(run.error).toContain('(tried 3 times)')
  })
})

describe('activities beside it', () => {
  it('gemini_prompt asks Google with either of its keys', async () => {
    const config = { activity: 'gemini_prompt', prompt: 'Hi', system_prompt: 'S' }
    const workflow = { step_configs: { ask: config }, steps: ['ask'] }
    const run = await jetty.run(workflow, { secret_params: { GOOGLE_API_KEY: 'google-key-of-a-run-66' } })
    expect(fake.asked[0]).toMatchObject({ path: '/v1/gemini/openai/chat/completions' })
    expect(fake.asked[0]?.body.model).toBe('gemini-2.0-flash')
    expect(bearers()).toEqual(['Bearer google-key-of-a-run-66'])
    expect(run.steps.ask.outputs).toMatchObject({ provider: 'gemini', text: 'You said: Hi' })
    expect((await jetty.run(workflow)).error).toContain('set GEMINI_API_KEY')
  })

  it('litellm_vision shows stored images and URLs; the trajectory keeps the path alone', async () => {
    const png = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    )
    const run = await jetty.run(
      {
        step_configs: {
          see: { activity: 'litellm_vision', prompt: 'What?', image_path_expr: 'init_params.file_paths[0]' },
          both: {
            activity: 'litellm_vision',
            prompt: 'And?',
            image_path: 'https://example.com/a.png',
            image_url_path: 'init_params.file_paths[0]',
          },
        },
        steps: ['see', 'both'],
      },
      {},
      { 'dot.png': png },
    )
    expect(run.status).toBe('completed')
    const data = { type: 'image_url', image_url: { url: `data:image/png;base64,${png.toString('base64')}` } }
    expect(fake.asked[0]?.body.messages[0].content).toEqual([{ type: 'text', text: 'What?' }, data])
    const url = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }
    expect(fake.asked[1]?.body.messages[0].content).toEqual([{ type: 'text', text: 'And?' }, url, data])
    expect(run.steps.see.inputs.image_path).toMatch(/^acme\//)
    expect(JSON.stringify(run)).not.toContain(png.toString('base64').slice(0, 40))
    expect(await warningsOf(run)).toEqual([
      expect.stringContaining('image_path contains a URL'),
      expect.stringContaining('image_url contains a storage path'),
    ])
  })

  it('litellm_vision needs an image, and takes nothing else for one', async () => {
    const see = (config: Record<string, unknown>, files = {}) =>
      jetty.run(
        { step_configs: { see: { activity: 'litellm_vision', prompt: 'x', ...config } }, steps: ['see'] },
        {},
        files,
      )
    expect((await see({})).error).toContain('needs the parameter prompt, and image_path or image_url')
    const text = await see({ image_path_expr: 'init_params.file_paths[0]' }, { 'note.txt': 'words' })
    expect(text.error).toContain("'note.txt' is not an image")
    expect(fake.asked).toEqual([])
  })
})

describe('on a server that waits for no answer', () => {
  beforeAll(async () => {
    await jetty.close()
    jetty = await startTestServer({ env: { OPENAI_BASE_URL: fake.url, JETTY_MODEL_FIRST_BYTE_SECONDS: '0.4' } })
    await setEnvironment({ OPENAI_API_KEY: inEnvironment })
  })

  it('fails the step where no answer begins in time, and names the setting', async () => {
    fake.script({ delayMs: 60_000 })
    const run = await chat({ prompt: 'Hi' })
    expect(run.error).toContain('the response did not begin in time')
    expect(run.steps.ask.error_detail).toMatchObject({
      code: 'timed_out',
      hint: expect.stringContaining('JETTY_MODEL_FIRST_BYTE_SECONDS'),
    })
    expect(fake.asked).toHaveLength(1)
  })
})
