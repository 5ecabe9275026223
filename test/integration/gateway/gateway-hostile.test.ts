import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { rawPost } from '../../raw-post.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const inEnvironment = 'sk-unmistakable-hostile-77c1e0'

let fake: FakeOpenAi
let jetty: TestServer
let key: string

beforeAll(async () => {
  fake = await startFakeOpenAi()
  const url = `http://127.0.0.1:${fake.port}`
  jetty = await startTestServer({
    env: {
      OPENAI_BASE_URL: fake.url,
      GEMINI_BASE_URL: `${url}/v1beta`,
      ANTHROPIC_BASE_URL: url,
      JETTY_ALLOW_PRIVATE_NETWORK: `127.0.0.1:${fake.port}`,
      JETTY_MAX_MEDIA_FILES: '3',
    },
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: {
      OPENAI_API_KEY: inEnvironment,
      GEMINI_API_KEY: inEnvironment,
      ANTHROPIC_API_KEY: inEnvironment,
    },
  })
  const made = await jetty.call('POST', '/api/v1/api-keys', {
    name: 'reader',
    collection_name: 'acme',
    access_level: 'READ',
  })
  key = made.body.api_key
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})
afterEach(async () => {
  fake.asked.length = 0
  fake.choose(undefined)
  await jetty.call('PATCH', '/api/v1/collections/acme/settings', { allowed_hosts: null, budget: null })
})

const post = async (path: string, body: string | object, headers: Record<string, string> = {}) => {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const answer = await rawPost(jetty.url + path, text, { authorization: `Bearer ${key}`, ...headers })
  return { ...answer, json: (): Body => JSON.parse(answer.text) }
}
const chat = (body: string | object, headers?: Record<string, string>) => post('/v1/chat/completions', body, headers)
const user = (content: unknown) => [{ role: 'user', content }]
const settings = (set: object) => jetty.call('PATCH', '/api/v1/collections/acme/settings', set)

describe('texts that were made to be slow', () => {
  /** What this process has computed so far, in milliseconds: it goes on, however long the machine stands still. */
  const computedMs = () => process.cpuUsage().user / 1000
  const quickly = async (body: object) => {
    const before = computedMs()
    const { status } = await chat(body)
    expect([status, computedMs() - before < 2000]).toEqual([200, true])
  }

  it('of spaces alone are said by a scripted model like any other', () =>
    quickly({ model: 'scripted/echo', stream: true, messages: user(' '.repeat(100_000)) }))

  it('of slashes are no base URL that is slow to read', async () => {
    const SLOW_BASE_URL = `https://127.0.0.1:1${'/'.repeat(60_000)}a`
    await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { SLOW_BASE_URL } })
    const before = computedMs()
    await chat({ model: 'custom/slow/x', messages: user('Hi') })
    expect(computedMs() - before).toBeLessThan(2000)
  })

  it('of a data URI that never ends are no image that is slow to read', async () => {
    fake.script({ body: { data: [{ url: `data:${'a'.repeat(60_000)}` }] } })
    const step = { activity: 'litellm_image_generation', model: 'openai/dall-e-3', prompt: 'x' }
    const before = computedMs()
    const { status } = await jetty.run({ init_params: {}, step_configs: { make: step }, steps: ['make'] })
    expect([status, computedMs() - before < 3000]).toEqual(['failed', true])
  })

  it('of words that are nearly long enough to be bytes are counted for a budget', async () => {
    await settings({ budget: { tokens_per_day: 1_000_000_000 } })
    fake.script({ body: { choices: [{ index: 0, message: { content: 'ok' }, finish_reason: 'stop' }] } })
    await quickly({ model: 'gpt-4o-mini', messages: user(`${'a'.repeat(999)}!`.repeat(2000)) })
  })
})

describe('the name of a model', () => {
  it.each(['x?y=', 'x#', '../files', 'a/../../files', '%2e%2e/files', 'x\\..\\y', 'x:countTokens?', 'a//b', '/a'])(
    '%j is no way to another place of its provider',
    async (name) => {
      const { status, json } = await post('/v1/images/generations', { model: `gemini/${name}`, prompt: 'x' })
      expect([status, json().detail]).toEqual([422, expect.stringContaining('is not the name of a model')])
      expect(fake.asked).toEqual([])
    },
  )

  it('stands once in what the provider gets, whoever reads the first of two', async () => {
    await chat('{"model":"gpt-4o","model":"gpt-4o-mini","messages":[]}')
    await chat('{"mod\\u0065l":"gpt-4o","messages":[],"model":"openai/gpt-4o-mini"}')
    expect(fake.asked.map(({ text }) => text)).toEqual([
      '{"model":"gpt-4o-mini","messages":[]}',
      '{"messages":[],"model":"gpt-4o-mini"}',
    ])
  })
})

describe('a key that the provider says again', () => {
  it('is struck out of the headers of its answer', async () => {
    fake.script({ body: '{"ok":true}', headers: { 'x-request-id': `req-${inEnvironment}` } })
    const { headers } = await chat({ model: 'gpt-4o-mini', messages: user('Hi') })
    expect(headers['x-request-id']).toBe('req-***')
  })

  it('is struck out of an error that comes with a 200, whole or as an event', async () => {
    const error = { message: `no: ${inEnvironment}`, code: inEnvironment }
    fake.script({ body: { error } })
    const whole = await chat({ model: 'gpt-4o-mini', messages: user('Hi') })
    expect(whole.text).toContain('no: ***')
    const data = `data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: ${JSON.stringify({ error })}\n\n`
    fake.script({ headers: { 'content-type': 'text/event-stream' }, body: data })
    const streamed = await chat({ model: 'gpt-4o-mini', stream: true, messages: user('Hi') })
    expect(streamed.text).toContain('no: ***')
  })
})

describe('a secret in other words', () => {
  const inBase64 = Buffer.from(`user:${inEnvironment}`).toString('base64')

  it.each([
    [
      'a page that came as an answer',
      { status: 200, body: `<p>${inBase64}</p>`, headers: { 'content-type': 'text/html' } },
    ],
    [
      'a page that came as a refusal',
      { status: 403, body: `<p>${inBase64}</p>`, headers: { 'content-type': 'text/html' } },
    ],
    ['a refusal', { status: 403, body: { error: { message: inBase64 } } }],
  ])('is struck out of %s', async (_, script) => {
    for (const model of ['gpt-4o-mini', 'claude-sonnet-4-6']) {
      fake.script(script)
      const { status, text } = await chat({ model, messages: user('Hi') })
      expect([status >= 400, text.includes(inBase64.slice(8, -8)), text.includes('***')]).toEqual([true, false, true])
    }
  })
})

describe('a body that is no JSON', () => {
  it('is a bad request, however long it is and whoever would have got it', async () => {
    const body = `{"model":"claude-sonnet-4-6","messages":[{"role":"user","content":"${'a'.repeat(70_000)}"}], "x": tru}`
    const { status, json } = await chat(body)
    expect([status, json().detail]).toEqual([400, expect.stringContaining('JSON')])
  })

  it('is refused with more values than a body may have, where it would be converted', async () => {
    const many = Array.from({ length: 60_000 }, () => ({ role: 'user' }))
    const { status, json } = await chat({ model: 'claude-sonnet-4-6', messages: many })
    expect([status, json().detail]).toEqual([413, expect.stringContaining('more than 100000 members')])
    expect(fake.asked).toEqual([])
  })

  it('has no prototype to be changed', async () => {
    const poison = '{"polluted":"yes"}'
    const body = `{"model":"claude-sonnet-4-6","messages":[{"role":"user","content":"Hi","__proto__":${poison}}],"__proto__":${poison},"constructor":{"prototype":${poison}},"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"__proto__":${poison}}}}}],"metadata":{"__proto__":${poison}}}`
    await chat(body)
    expect(({} as Body).polluted).toBeUndefined()
  })
})

describe('images that are fetched for a provider', () => {
  const calling = { id: 'c1', type: 'function', function: { name: 'look', arguments: '{}' } }
  const png = Buffer.from(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=',
    'base64',
  )
  /** As what a tool has given, images are sent by their bytes. */
  const looking = (count: number) => {
    const content = Array.from({ length: count }, (_, at) => ({
      type: 'image_url',
      image_url: { url: `http://127.0.0.1:${fake.port}/x/${at}` },
    }))
    const messages = [...user('Hi'), { role: 'assistant', tool_calls: [calling] }]
    return { model: 'claude-sonnet-4-6', messages: [...messages, { role: 'tool', tool_call_id: 'c1', content }] }
  }
  beforeEach(() => fake.choose(() => ({ body: png, headers: { 'content-type': 'image/png' } })))
  const fetches = () => fake.asked.filter(({ method }) => method === 'GET')

  it('come from hosts alone that the collection may reach', async () => {
    await settings({ allowed_hosts: ['api.openai.com'] })
    await chat({ model: 'scripted/echo', messages: user('Hi') }) // from here on it is known everywhere
    const { status, json } = await chat(looking(1))
    expect([status, json().detail]).toEqual([
      expect.any(Number),
      expect.stringContaining('not among the allowed hosts'),
    ])
    expect(fake.asked).toEqual([])
  })

  it('are as many as the setting says', async () => {
    const { status, json } = await chat(looking(4))
    expect([status, json().detail]).toEqual([413, expect.stringContaining('more than 3 files')])
    expect(fetches().length).toBeLessThanOrEqual(3)
  })
})

describe('a request with many small files', () => {
  it('makes as many files as the setting says', async () => {
    const uri = `data:image/png;base64,${Buffer.from('not an image').toString('base64')}`
    const { headers } = await chat({ model: 'gpt-4o-mini', messages: user(`${uri} `.repeat(50)) })
    await jetty.until('_chat', headers['x-jetty-trajectory-id'] ?? '', (run) => run.status === 'completed')
    const [row] = await jetty.server.database.query<{ count: string }>('select count(*) from files')
    expect(Number(row?.count)).toBe(6) // of the request, and of the answer that says it again
  })
})

describe('what a read key may not do', () => {
  it('is to write under the tasks of others, or to make tasks: it may name one of the server alone', async () => {
    const hello = { model: 'scripted/echo', messages: user('Hi') }
    const named = (task: string) => chat({ ...hello, jetty: { runbook: false, task } })
    const { status, json } = await named('production')
    expect([status, json().detail]).toEqual([403, 'Access level WRITE required.'])
    expect((await named('_chat')).status).toBe(200)
  })

  it('comes as x-api-key where that is not how a token comes', async () => {
    const bare = (path: string, headers: Record<string, string>) =>
      rawPost(
        jetty.url + path,
        JSON.stringify({ model: 'scripted/echo', max_tokens: 9, messages: user('Hi') }),
        headers,
      )
    expect((await bare('/v1/messages', { 'x-api-key': key })).status).toBe(200)
    expect((await bare('/v1/chat/completions', { 'x-api-key': key })).status).toBe(401)
    expect((await bare('/v1/messages', { 'x-api-key': key, authorization: 'Bearer mlc_wrong' })).status).toBe(401)
  })
})

it('an answer that is nested deeper than anybody writes is on record like any other', async () => {
  const inner = '"data:image/png;base64,AAAA"'
  fake.script({ body: `{"choices":[],"a":${'['.repeat(30_000)}${inner}${']'.repeat(30_000)}}` })
  const { status, headers } = await chat({ model: 'gpt-4o-mini', messages: user('Hi') })
  expect([status, headers['x-jetty-record']]).toEqual([200, 'logged'])
})

describe('addresses of the own network', () => {
  it.each(['2130706433', '0x7f.1', '017700000001', '[::ffff:127.0.0.1]', '[::1]', '127.1', '169.254.169.254', '0'])(
    'are none that a collection may call, such as %s',
    async (host) => {
      const INSIDE_BASE_URL = `http://${host}:${fake.port === 1 ? 2 : 1}`
      await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { INSIDE_BASE_URL } })
      await chat({ model: 'scripted/echo', messages: user('Hi') }) // from here on it is known everywhere
      const { text } = await chat({ model: 'custom/inside/x', messages: user('Hi') })
      expect(text).toContain('private, local or reserved')
    },
  )
})

describe('characters that stand nowhere else', () => {
  const nul = String.fromCharCode(0)

  it('are recorded, or refused, and do not take the records of others with them', async () => {
    const body = JSON.stringify({
      choices: [{ index: 0, message: { content: `a${nul}b\ud800` }, finish_reason: 'stop' }],
    })
    fake.script({ body }, { body }, { body })
    const asked = [`x${nul}y`, '\ud800', 'plain'].map((content) =>
      chat({ model: 'gpt-4o-mini', messages: user(content) }),
    )
    const answers = await Promise.all(asked)
    expect(answers.map(({ status, headers }) => [status, headers['x-jetty-record']])).toEqual(
      answers.map(() => [200, 'logged']),
    )
    const odd = await chat({ model: `custom/x/a${nul}\r\nset-cookie: a=b`, messages: user('Hi') })
    expect([odd.status < 500, odd.headers['set-cookie']]).toEqual([true, undefined])
  })

  it('in a key are refused without telling it', async () => {
    const OPENAI_API_KEY = 'sk-unmistakable-broken\r\nx-evil: 1'
    await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { OPENAI_API_KEY } })
    await chat({ model: 'scripted/echo', messages: user('Hi') })
    const { status, text } = await chat({ model: 'gpt-4o-mini', messages: user('Hi') })
    await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
      environment_variables: { OPENAI_API_KEY: inEnvironment },
    })
    expect([status >= 400, text.includes('unmistakable'), fake.asked]).toEqual([true, false, []])
  })

  it('fill no page: a name has its length', async () => {
    const { status, text } = await chat({ model: 'z'.repeat(100_000), messages: user('Hi') })
    expect([status, text.length < 5000]).toEqual([400, true])
  })
})
