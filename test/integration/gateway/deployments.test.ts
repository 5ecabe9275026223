// Several keys and addresses of one model: calls are shared among them, and go elsewhere while one fails.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const keys = {
  OPENAI_API_KEY: 'sk-unmistakable-deployments-own-1a',
  OPENAI_KEY_EU: 'sk-unmistakable-deployments-eu-2b',
  OPENAI_KEY_US: 'sk-unmistakable-deployments-us-3c',
  OPENROUTER_API_KEY: 'sk-unmistakable-deployments-or-4d',
}

let openai: FakeOpenAi
let openrouter: FakeOpenAi
let jetty: TestServer
let key: string
let made = 0
beforeAll(async () => {
  openai = await startFakeOpenAi()
  openrouter = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: openai.url, OPENROUTER_BASE_URL: openrouter.url } })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: keys })
})
afterAll(async () => {
  await jetty?.close()
  await Promise.all([openai?.close(), openrouter?.close()])
})
afterEach(() => {
  openai.asked.length = 0
  openrouter.asked.length = 0
  openai.choose(undefined)
})

const set = async (settings: Body) => {
  const { status, body } = await jetty.call('PATCH', '/api/v1/collections/acme/settings', settings)
  key = (await jetty.call('POST', '/api/v1/api-keys', { name: `k${++made}`, collection_name: 'acme' })).body.api_key
  return { status, body }
}

const ask = async (more: Body = {}, path = '/v1/chat/completions') => {
  const answer = await fetch(jetty.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello' }], ...more }),
  })
  await answer.text()
  return answer
}

const usedKeys = () => openai.asked.map(({ headers }) => headers.authorization?.replace('Bearer ', ''))

const eu = { model: 'gpt-4o-mini', name: 'eu', variables: { OPENAI_API_KEY: 'OPENAI_KEY_EU' } }
const us = { model: 'gpt-4o-mini', name: 'us', variables: { OPENAI_API_KEY: 'OPENAI_KEY_US' } }

test('calls are shared by weight, each with its key, and the record says which answered', async () => {
  await set({ deployments: [{ ...eu, weight: 3 }, us], deployment_choice: null })
  const answers = await Promise.all(Array.from({ length: 60 }, () => ask()))
  expect(new Set(usedKeys())).toEqual(new Set([keys.OPENAI_KEY_EU, keys.OPENAI_KEY_US]))
  const named = answers.map(({ headers }) => headers.get('x-jetty-deployment'))
  const shareOfEu = named.filter((name) => name === 'eu').length
  expect(shareOfEu).toBe(usedKeys().filter((one) => one === keys.OPENAI_KEY_EU).length)
  expect(shareOfEu).toBeGreaterThan(30)
  const id = answers[0]?.headers.get('x-jetty-trajectory-id') ?? ''
  expect((await jetty.get('_chat', id)).steps.completion.outputs.deployment).toBe(named[0])
})

test('after 429 a call goes on to the next deployment at once, and later ones start there', async () => {
  await set({
    deployments: [
      { ...eu, name: 'eu-429' },
      { ...us, name: 'us-429' },
    ],
  })
  openai.choose((_, turn) =>
    turn > 0 && isEu() ? { status: 429, body: { error: { message: 'slow down' } } } : undefined,
  )
  const answers: Response[] = []
  for (let call = 0; call < 12; call++) answers.push(await ask())
  expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200))
  expect(usedKeys().filter((one) => one === keys.OPENAI_KEY_EU)).toHaveLength(1)
  expect(openai.asked).toHaveLength(13)
  const ids = answers.map(({ headers }) => headers.get('x-jetty-trajectory-id') ?? '')
  const records = await Promise.all(ids.map((id) => jetty.get('_chat', id)))
  const attempts = records.flatMap(({ steps }) => steps.completion.outputs.attempts ?? [])
  expect(attempts).toMatchObject([{ model: 'eu-429', code: 'upstream_failed' }])
})

const isEu = () => usedKeys().at(-1) === keys.OPENAI_KEY_EU

test('a key that was revoked fails its deployment alone', async () => {
  await set({
    deployments: [
      { ...eu, name: 'eu-401', weight: 1000 },
      { ...us, name: 'us-401', weight: 0.001 },
    ],
  })
  openai.choose(() => (isEu() ? { status: 401, body: { error: { message: 'revoked' } } } : undefined))
  const answer = await ask()
  expect([answer.status, answer.headers.get('x-jetty-deployment')]).toEqual([200, 'us-401'])
  await set({ deployments: [{ ...eu, name: 'eu-alone' }], fallback_models: ['scripted/echo'] })
  expect((await ask()).status).toBe(401)
  await set({ fallback_models: null })
})

test('a deployment at another provider is asked in its protocol, before fallback models', async () => {
  const other = { model: 'gpt-4o-mini', name: 'router', target: 'openrouter/openai/gpt-4o-mini', weight: 0.001 }
  await set({ deployments: [{ ...eu, name: 'eu-500', weight: 1000 }, other], fallback_models: ['scripted/echo'] })
  openai.choose(() => ({ status: 500, body: { error: { message: 'broken' } } }))
  const answer = await ask()
  expect(answer.status).toBe(200)
  expect(answer.headers.get('x-jetty-deployment')).toBe('router')
  expect(answer.headers.get('x-jetty-provider')).toBe('openrouter')
  expect(openrouter.asked.at(-1)?.body.model).toBe('openai/gpt-4o-mini')
  await set({ fallback_models: null })
})

test('if every deployment fails, the last one is tried as often as a model, and its failure is the answer', async () => {
  await set({
    deployments: [
      { ...eu, name: 'eu-x' },
      { ...us, name: 'us-x' },
    ],
  })
  openai.choose(() => ({ status: 503, headers: { 'retry-after': '0.01' }, body: { error: { message: 'broken' } } }))
  const answer = await ask()
  expect(answer.status).toBe(503)
  expect(openai.asked).toHaveLength(4)
})

test('converted calls have deployments, too', async () => {
  await set({ deployments: [{ ...eu, name: 'eu-m' }] })
  const answer = await ask({ max_tokens: 10 }, '/v1/messages')
  expect(answer.status).toBe(200)
  expect(usedKeys()).toEqual([keys.OPENAI_KEY_EU])
  expect(answer.headers.get('x-jetty-deployment')).toBe('eu-m')
})

test('a call that names its provider is sent there as it is', async () => {
  await set({ deployments: [eu] })
  const answer = await ask({ jetty: { runbook: false, model_provider: 'openai' } })
  expect(answer.headers.get('x-jetty-deployment')).toBeNull()
  expect(usedKeys()).toEqual([keys.OPENAI_API_KEY])
})

test.each([
  [[{ model: 'm', wieght: 3 }], /Unknown member 'wieght'/],
  [[{ model: 'm', variables: { 'not a name': 'X' } }], /environment variable/],
  [[{ model: 'm', weight: -1 }], /weight/],
  [[{ name: 'x' }], /model/],
])('%j is refused', async (deployments, words) => {
  const { status, body } = await set({ deployments })
  expect(status).toBe(422)
  expect(JSON.stringify(body.detail)).toMatch(words)
})
