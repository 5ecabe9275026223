import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiServer, startApiServer } from '../../api-server.ts'

let server: ApiServer
beforeAll(async () => {
  server = await startApiServer()
  await server.call('POST', '/api/v1/collections/', { body: { name: 'acme' } })
})
afterAll(() => server?.close())

const path = '/api/v1/collections/acme/settings'
const set = (body: unknown, token?: string) => server.call('PATCH', path, { body, ...(token ? { token } : {}) })

/** Settings of an answer, without who has set them and what binds. */
const values = ({ body: { set_by: _, operator: __, ...settings } }: { body: Record<string, unknown> }) => settings

const nothing = {
  record_calls: null,
  cache_calls: null,
  labels_from: null,
  label_totals: null,
  label_values_per_day: null,
  fallback_models: null,
  deployments: null,
  deployment_choice: null,
  budget: null,
  run_budget: null,
  rate_limit_per_minute: null,
  retention_days: null,
  retention: null,
  quota: null,
  webhook: null,
  trace_export: null,
  allowed_hosts: null,
  server_labels: null,
  worker_labels: null,
}

test('every known setting is shown; a value sets, null unsets, what is absent stays', async () => {
  expect(values(await server.call('GET', path))).toEqual(nothing)
  expect((await set({ rate_limit_per_minute: 1_000_000 })).body).toMatchObject({ rate_limit_per_minute: 1_000_000 })
  expect(values(await set({}))).toEqual({ ...nothing, rate_limit_per_minute: 1_000_000 })
  expect(values(await server.call('GET', `${path}/`))).toEqual({ ...nothing, rate_limit_per_minute: 1_000_000 })
  expect(values(await set({ rate_limit_per_minute: null }))).toEqual(nothing)
  const [row] = await server.database.query<{ settings: string | null }>('select settings from collections')
  expect(row?.settings).toBeNull()
})

test('all of them together are kept as they were given', async () => {
  const all = {
    record_calls: false,
    cache_calls: true,
    labels_from: { user: ['user', 'metadata.user_id'] },
    label_totals: ['team', 'plan'],
    label_values_per_day: 500,
    fallback_models: ['gpt-4o-mini', 'anthropic/claude-sonnet-4-6'],
    deployments: [
      { model: 'gpt-4o-mini', name: 'eu', variables: { OPENAI_API_KEY: 'OPENAI_API_KEY_EU' }, weight: 2 },
      { model: 'gpt-4o-mini', target: 'azure/prod' },
    ],
    deployment_choice: 'latency' as const,
    budget: { usd_per_day: 2.5, tokens_per_day: 1_000_000 },
    run_budget: { usd: 0.1 },
    rate_limit_per_minute: 60,
    retention_days: 30,
    retention: { runs: 1000, bytes: null, keep_labels: ['gold'], labels: null, tasks: null },
    quota: { stored_bytes: 1_000_000, runs: 500 },
    webhook: {
      ...{ url: 'https://api.openai.com/done', url_variable: null, secret_variable: 'HOOK_SECRET' },
      ...{ statuses: ['failed' as const], format: 'text' as const },
    },
    trace_export: {
      url: 'https://otlp.example.com/',
      headers: { 'x-team': 'OTLP_TEAM', Authorization: 'OTLP_KEY' },
      contents: true,
    },
    allowed_hosts: ['api.openai.com', '*.example.com:8443', '[::1]:8080', '127.0.0.1', 'localhost'],
    server_labels: null,
    worker_labels: ['gpu'],
  }
  expect(values(await set(all))).toEqual(all)
  expect(values(await server.call('GET', path))).toEqual(all)
  const none = Object.fromEntries(Object.keys(all).map((name) => [name, null]))
  expect(values(await set(none))).toEqual(nothing)
})

test('one limit of a budget changes without the other', async () => {
  await set({ budget: { usd_per_day: 5, tokens_per_day: 10 } })
  expect((await set({ budget: { usd_per_day: 6 } })).body.budget).toEqual({ usd_per_day: 6, tokens_per_day: 10 })
  expect((await set({ budget: { usd_per_day: null } })).body.budget).toEqual({ usd_per_day: null, tokens_per_day: 10 })
  expect(values(await set({ budget: { tokens_per_day: null } }))).toEqual(nothing)
  expect(values(await set({ budget: {}, run_budget: { usd: null } }))).toEqual(nothing)
})

test('two changes at the same time are both kept', async () => {
  await Promise.all([set({ retention_days: 3 }), set({ cache_calls: true }), set({ budget: { usd_per_day: 1 } })])
  expect((await server.call('GET', path)).body).toMatchObject({
    retention_days: 3,
    cache_calls: true,
    budget: { usd_per_day: 1 },
  })
  await set({ retention_days: null, cache_calls: null, budget: null })
})

test('an unknown setting is refused by name, with the known ones; then nothing is changed', async () => {
  const answer = await set({ rate_limit_per_minute: 9, colour: 3, size: {} })
  expect(answer.status).toBe(422)
  expect(answer.body.detail[0].msg).toBe(
    `Unknown setting 'colour', 'size'; there is: ${Object.keys(nothing).join(', ')}`,
  )
  expect(values(await server.call('GET', path))).toEqual(nothing)
})

test.each([
  [{ budget: { usd_per_week: 1 } }, ['body', 'budget'], "Unknown member 'usd_per_week'"],
  [{ run_budget: { usd: 1, tokens: 1 } }, ['body', 'run_budget'], "Unknown member 'tokens'"],
  [{ budget: { usd_per_day: 0 } }, ['body', 'budget', 'usd_per_day'], undefined],
  [{ budget: { tokens_per_day: 1.5 } }, ['body', 'budget', 'tokens_per_day'], undefined],
  [{ budget: 5 }, ['body', 'budget'], undefined],
  [{ run_budget: { usd: '1' } }, ['body', 'run_budget', 'usd'], undefined],
  [{ record_calls: 'no' }, ['body', 'record_calls'], undefined],
  [{ cache_calls: 1 }, ['body', 'cache_calls'], undefined],
  [{ fallback_models: 'gpt-4o' }, ['body', 'fallback_models'], undefined],
  [{ fallback_models: [' '] }, ['body', 'fallback_models', 0], undefined],
  [{ fallback_models: Array(11).fill('m') }, ['body', 'fallback_models'], undefined],
  [{ retention_days: 0 }, ['body', 'retention_days'], undefined],
  [{ allowed_hosts: ['https://example.com'] }, ['body', 'allowed_hosts', 0], undefined],
  [{ allowed_hosts: ['*'] }, ['body', 'allowed_hosts', 0], undefined],
  [{ allowed_hosts: ['a b'] }, ['body', 'allowed_hosts', 0], undefined],
])('%j is refused', async (body, loc, message) => {
  const answer = await set(body)
  expect([answer.status, answer.body.detail[0].loc]).toEqual([422, loc])
  if (message) expect(answer.body.detail[0].msg).toBe(message)
})

test.each([0, -1, 1.5, 1_000_001, '5', true, {}])('rate_limit_per_minute may not be %j', async (value) => {
  const answer = await set({ rate_limit_per_minute: value })
  expect([answer.status, answer.body.detail[0].loc]).toEqual([422, ['body', 'rate_limit_per_minute']])
})

test('a read key sees settings and changes none', async () => {
  const reader = await server.makeKey(['acme'], 'READ')
  expect((await server.call('GET', path, { token: reader })).status).toBe(200)
  const answer = await set({ rate_limit_per_minute: 9 }, reader)
  expect([answer.status, answer.body.detail]).toEqual([403, 'Access level WRITE required.'])
})
