import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { completion, eventStream, eventStreamType, type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { wrongTotals } from '../../kept-totals.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const inEnvironment = 'sk-unmistakable-recorded-5d10c7'

let fake: FakeOpenAi
let jetty: TestServer

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: fake.url } })
  const variables = { environment_variables: { OPENAI_API_KEY: inEnvironment } }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', variables)
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})
afterEach(() => {
  fake.asked.length = 0
})

const post = async (path: string, body: object | string, headers: Record<string, string> = {}) => {
  const response = await fetch(jetty.url + path, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${jetty.server.adminToken}`,
      'content-type': 'application/json',
      'x-jetty-collection': 'acme',
      ...headers,
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  const text = await response.text()
  return {
    status: response.status,
    text,
    id: response.headers.get('x-jetty-trajectory-id') ?? '',
    headers: response.headers,
  }
}

const hello = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }] }

const recorded = async (id: string, task = '_chat'): Promise<Body> => jetty.get(task, id)

describe('a call that was answered whole', () => {
  it('is a trajectory with its request, its answer, tokens, cost and times', async () => {
    const { id, text, headers } = await post('/v1/chat/completions', { ...hello, jetty: { runbook: false }, seed: 7 })
    expect(headers.get('x-jetty-record')).toBe('logged')
    const run = await recorded(id)
    expect(run).toMatchObject({ status: 'completed', trajectory_id: id, task: '_chat', error: null })
    expect(run.init_params).toEqual({ ...hello, seed: 7 })
    const step = run.steps.completion
    expect(step).toMatchObject({ activity: 'litellm_chat', status: 'completed', error: null })
    expect(step.inputs).toEqual({ model: 'gpt-4o-mini', provider: 'openai', stream: false })
    expect(step.outputs).toMatchObject({
      text: 'You said: hello',
      content: 'You said: hello',
      model: 'gpt-4o-mini',
      provider: 'openai',
      finish_reason: 'stop',
      usage: { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 },
      cost_usd: expect.closeTo(0.00021, 8),
      response: JSON.parse(text),
    })
    expect(step.outputs.total_ms).toBeGreaterThanOrEqual(step.outputs.first_token_ms)
    const { body } = await jetty.call('GET', '/api/v1/runs/acme?sort=cost')
    expect(body.runs).toMatchObject([{ trajectory_id: id, cost_usd: expect.closeTo(0.00021, 8) }])
  })

  it('can be listed, counted, searched and run again like any other', async () => {
    const before = (await jetty.call('GET', '/api/v1/db/trajectories/acme/_chat')).body.total
    const { id } = await post('/v1/chat/completions', {
      ...hello,
      messages: [{ role: 'user', content: 'needle-in-hay' }],
    })
    const { body } = await jetty.call('GET', '/api/v1/db/trajectories/acme/_chat')
    expect(body.total).toBe(before + 1)
    expect(body.trajectories[0].trajectory_id).toBe(id)
    const { body: stats } = await jetty.call('GET', '/api/v1/db/stats/acme/_chat')
    expect(JSON.stringify(stats)).toContain('completion')
    const task = (await jetty.call('GET', '/api/v1/tasks/acme/_chat')).body
    expect(task).toMatchObject({ name: '_chat', is_private: true })
    const again = await jetty.call('POST', '/api/v1/run-sync/acme/_chat', { init_params: hello })
    expect(again.body).toMatchObject({ status: 'completed', result: { text: 'You said: hello' } })
  })

  it('stands under the task that the call names, with other calls or runs of it', async () => {
    const made = await post('/v1/chat/completions', { ...hello, jetty: { runbook: false, task: 'Support' } })
    expect(await recorded(made.id, 'support')).toMatchObject({ task: 'Support', steps: { completion: {} } })
    const name = await jetty.task({ steps: ['echo'], step_configs: { echo: { activity: 'text_echo', text: 'x' } } })
    const joined = await post('/v1/chat/completions', { ...hello, jetty: { runbook: false, task: name } })
    const run = await recorded(joined.id, name)
    expect(run.total_steps).toEqual(['completion'])
    expect(run.steps.completion.outputs.text).toBe('You said: hello')
    for (const reserved of ['_mine', 'search', 'a/b']) {
      const refused = await post('/v1/chat/completions', { ...hello, jetty: { runbook: false, task: reserved } })
      expect(refused.status).toBe(400)
    }
  })

  it('is written down without its secrets', async () => {
    const content = `say ${inEnvironment}`
    fake.script({ body: completion('gpt-4o-mini', 'No.') })
    const { id } = await post('/v1/chat/completions', { ...hello, messages: [{ role: 'user', content }] })
    const run = await recorded(id)
    expect(run.init_params.messages[0].content).toBe('say ***')
    expect(run.steps.completion.outputs.text).toBe('No.')
  })

  it('may be large: a request of a megabyte is there, and so is its answer', async () => {
    const content = 'word '.repeat(220_000)
    const { id } = await post('/v1/chat/completions', { ...hello, messages: [{ role: 'user', content }] })
    const run = await recorded(id)
    expect(run.init_params.messages[0].content).toBe(content)
    expect(run.steps.completion.outputs.text).toBe(`You said: ${content}`)
    const { body } = await jetty.call('GET', '/api/v1/db/trajectories/acme/_chat?limit=1')
    expect(body.trajectories[0].trajectory_id).toBe(id)
  })

  it('has no bytes in base64: they are files, from request and answer', async () => {
    const png = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=',
      'base64',
    )
    const url = `data:image/png;base64,${png.toString('base64')}`
    const audio = Buffer.alloc(3000, 7).toString('base64')
    fake.script({ body: completion('gpt-4o-mini', `Look: ![it](${url})!`) })
    const parts = [
      { type: 'image_url', image_url: { url } },
      { type: 'input_audio', input_audio: { data: audio, format: 'wav' } },
    ]
    const { id } = await post('/v1/chat/completions', { ...hello, messages: [{ role: 'user', content: parts }] })
    const run = await recorded(id)
    const [image, sound] = run.init_params.messages[0].content
    expect(image.image_url.url).toMatch(/^acme\/_chat\/0000\/[0-9a-f]{8}\.completion\.0000\.image\.png$/)
    expect(sound.input_audio.data).toMatch(/\.completion\.0001\./)
    expect(run.steps.completion.outputs.text).toMatch(/^Look: !\[it\]\(acme\/_chat\/0000\/.*\.0002\.image\.png\)!$/)
    const kept = await fetch(`${jetty.url}/api/v1/file/${image.image_url.url}`, {
      headers: { authorization: `Bearer ${jetty.server.adminToken}` },
    })
    expect(Buffer.from(await kept.arrayBuffer())).toEqual(png)
    expect(JSON.stringify(run)).not.toContain('base64,')
  })

  it('says nothing of what a model costs that has no price', async () => {
    const { id } = await post('/v1/chat/completions', { ...hello, model: 'openai/nobody-knows-it' })
    expect((await recorded(id)).steps.completion.outputs.cost_usd).toBeNull()
  })
})

describe('a call that was streamed', () => {
  it('is recorded as the answer it was', async () => {
    fake.script({ headers: eventStreamType, body: eventStream('gpt-4o-mini', 'one two three') })
    const { id, text } = await post('/v1/chat/completions', { ...hello, stream: true })
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    const step = (await recorded(id)).steps.completion
    expect(step.inputs.stream).toBe(true)
    expect(step.outputs).toMatchObject({
      text: 'one two three',
      finish_reason: 'stop',
      usage: { total_tokens: 1100 },
      response: { object: 'chat.completion', choices: [{ message: { role: 'assistant', content: 'one two three' } }] },
    })
    expect(step.outputs.cost_usd).toBeGreaterThan(0)
  })

  it('failed where it was cut off, with what had come', async () => {
    const whole = eventStream('gpt-4o-mini', 'one two three')
    fake.script({ headers: eventStreamType, body: whole, cutAfterBytes: whole.indexOf('three') })
    const { id, text } = await post('/v1/chat/completions', { ...hello, stream: true }).catch(async () => ({
      id: (await jetty.call('GET', '/api/v1/db/trajectories/acme/_chat?limit=1')).body.trajectories[0].trajectory_id,
      text: '',
    }))
    expect(text).not.toContain('[DONE]')
    const run = await recorded(id)
    expect(run).toMatchObject({ status: 'failed', error: expect.stringContaining("Step 'completion' failed") })
    expect(run.steps.completion.outputs).toMatchObject({ text: 'one two ', finish_reason: null })
    expect(run.steps.completion.error).not.toBeNull()
  })
})

it('a call that was refused is recorded with what the provider said', async () => {
  fake.script({
    status: 401,
    body: { error: { message: 'Incorrect API key provided', type: 'invalid_request_error' } },
  })
  const { id, status } = await post('/v1/chat/completions', hello)
  expect(status).toBe(401)
  const run = await recorded(id)
  expect(run).toMatchObject({ status: 'failed' })
  expect(run.steps.completion.outputs).toMatchObject({ http_status: 401, cost_usd: null, usage: null })
  expect(run.steps.completion.outputs.response.error.message).toBe('Incorrect API key provided')
})

it('embeddings are recorded under a task of their own', async () => {
  const body = {
    object: 'list',
    data: [{ object: 'embedding', index: 0, embedding: [0.5, -0.25] }],
    model: 'text-embedding-3-small',
    usage: { prompt_tokens: 2, total_tokens: 2 },
  }
  fake.script({ body })
  const { id } = await post('/v1/embeddings', { model: 'text-embedding-3-small', input: 'hi' })
  const run = await recorded(id, '_embeddings')
  expect(run.steps.completion.outputs).toMatchObject({
    count: 1,
    dimensions: 2,
    usage: { prompt_tokens: 2 },
    response: body,
  })
})

it('images are recorded as files', async () => {
  const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII='
  const large = Buffer.concat([Buffer.from(png, 'base64'), Buffer.alloc(2000)]).toString('base64')
  fake.script({ body: { created: 1, data: [{ b64_json: large }, { b64_json: png }] } })
  const { id, text } = await post('/v1/images/generations', { model: 'dall-e-3', prompt: 'a dot' })
  expect(JSON.parse(text).data[0].b64_json).toBe(large)
  const { outputs } = (await recorded(id, '_images')).steps.completion
  expect(outputs.images).toMatchObject([
    { extension: 'png', content_type: 'image/png', size: 2068 },
    { extension: 'png', content_type: 'image/png', size: 68 },
  ])
  const paths = outputs.response.data.map((image: { b64_json: string }) => image.b64_json)
  expect(paths).toEqual(outputs.images.map(({ path }: { path: string }) => path))
})

it('the record of a refusal says what can be done, as its answer does', async () => {
  const { id, text } = await post('/v1/chat/completions', { ...hello, model: 'groq/none' })
  const { detail, hint } = JSON.parse(text)
  const { error_detail } = (await recorded(id)).steps.completion
  expect(error_detail).toMatchObject({ code: 'model_unavailable', message: detail, hint })
  expect(hint).toContain('secret_params')
})

it('a call is not recorded where that is said', async () => {
  const before = (await jetty.call('GET', '/api/v1/db/trajectories/acme/_chat')).body.total
  const off = await post('/v1/chat/completions', hello, { 'x-jetty-record': 'off' })
  expect(off.headers.get('x-jetty-record')).toBe('off')
  const no = await post('/v1/chat/completions', hello, { 'x-jetty-record': 'False' })
  expect(no.headers.get('x-jetty-record')).toBe('off')
  const unclear = await post('/v1/chat/completions', hello, { 'x-jetty-record': 'never' })
  expect(JSON.parse(unclear.text).error.message).toBe('X-Jetty-Record: expected on or off')
  await post('/v1/chat/completions', { ...hello, jetty: { runbook: false, record: false } })
  expect((await jetty.call('GET', '/api/v1/db/trajectories/acme/_chat')).body.total).toBe(before)
})

it('the task of the server is made anew when it was deleted', async () => {
  await post('/v1/chat/completions', hello)
  expect((await jetty.call('DELETE', '/api/v1/tasks/acme/_chat')).status).toBeLessThan(300)
  const { id } = await post('/v1/chat/completions', hello)
  expect((await recorded(id)).status).toBe('completed')
  expect((await jetty.call('GET', '/api/v1/tasks/acme/_chat')).status).toBe(200)
})

it('who asks for one collection does not wait for the records of another', async () => {
  await jetty.call('POST', '/api/v1/collections', { name: 'calm' })
  const answered: string[] = []
  const list = async (collection: string) => {
    await jetty.call('GET', `/api/v1/tasks/${collection}`)
    answered.push(collection)
  }
  await jetty.server.database.transaction(async (queries) => {
    await queries.query('lock table spending in exclusive mode') // no record with a cost can be written
    await post('/v1/chat/completions', hello)
    const own = list('acme')
    await list('calm')
    answered.push('written')
    await queries.query('commit; begin')
    await own
  })
  expect(answered).toEqual(['calm', 'written', 'acme'])
})

it('what is kept of totals and spending is what is there', async () => {
  const { database } = jetty.server
  expect(await wrongTotals(database.query)).toEqual([])
  const [spent] = await database.query<{ usd: string }>('select sum(usd)::text usd from spending')
  const [costs] = await database.query<{ usd: string }>(
    `select sum((coalesce(s.outputs, p.body)::json->>'cost_usd')::numeric)::text usd from steps s
     left join payloads p on p.id = s.outputs_payload where s.name = 'completion' and s.run_id in
       (select r.id from runs r where r.definition = r.definition)`,
  )
  expect(Number(spent?.usd)).toBeCloseTo(Number(costs?.usd), 6)
})
