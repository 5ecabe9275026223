// What the operator sets binds the keys of a collection: they may tighten it, and nothing else. For each setting of the table.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collectionSettingNames, type SettingName } from '../../../src/model/collections/collection-settings.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let key: string
beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_RATE_LIMIT: '1000' } })
  key = (await jetty.call('POST', '/api/v1/api-keys', { name: 'tenant', collection_name: 'acme' })).body.api_key
})
afterAll(() => jetty.close())

const path = '/api/v1/collections/acme/settings'
const byOperator = (change: object) => jetty.call('PATCH', path, change)
const byKey = (change: object) => jetty.call('PATCH', path, change, key)
const read = async (): Promise<Body> => (await jetty.call('GET', path, undefined, key)).body

interface Case {
  operator: unknown
  /** What keys may set then, and what is in force afterwards. */
  tighter?: { set: unknown; inForce: unknown }
  /** What is refused. */
  looser: unknown[]
}

const cases: Record<SettingName, Case> = {
  record_calls: { operator: true, looser: [false] },
  cache_calls: { operator: false, looser: [true] },
  labels_from: { operator: { user: ['user'] }, looser: [{ user: ['metadata.user_id'] }] },
  label_totals: { operator: ['team'], looser: [['team', 'plan'], []] },
  label_values_per_day: { operator: 100, looser: [101] },
  fallback_models: { operator: ['scripted/echo'], looser: [['scripted/other'], []] },
  deployments: { operator: [{ model: 'gpt-4o-mini', weight: 2 }], looser: [[], [{ model: 'gpt-4o-mini' }]] },
  deployment_choice: { operator: 'latency', looser: ['weight'] },
  budget: {
    operator: { usd_per_day: 5, tokens_per_day: null },
    tighter: {
      set: { usd_per_day: 4, tokens_per_day: 1000 },
      inForce: { usd_per_day: 4, tokens_per_day: 1000 },
    },
    looser: [{ usd_per_day: 6 }],
  },
  run_budget: {
    operator: { usd: 2 },
    tighter: { set: { usd: 1 }, inForce: { usd: 1 } },
    looser: [{ usd: 3 }],
  },
  rate_limit_per_minute: { operator: 500, tighter: { set: 400, inForce: 400 }, looser: [501] },
  retention_days: { operator: 30, tighter: { set: 7, inForce: 7 }, looser: [31] },
  retention: { operator: { runs: 100 }, looser: [{ runs: 200 }, { keep_labels: ['x'] }] },
  quota: { operator: { runs: 1000 }, looser: [{ runs: 500 }, { runs: 2000 }] },
  webhook: { operator: { url: 'https://example.com/done' }, looser: [{ url: 'https://example.com/other' }] },
  trace_export: { operator: { url: 'https://otlp.example.com' }, looser: [{ url: 'https://otlp.example.org' }] },
  allowed_hosts: {
    operator: ['api.example.com', '*.acme.dev', 'db.example.com:5432'],
    tighter: { set: ['api.example.com:443', 'one.acme.dev'], inForce: ['api.example.com:443', 'one.acme.dev'] },
    looser: [['evil.example'], ['*.example.com'], ['acme.dev'], ['db.example.com'], ['*.dev']],
  },
  server_labels: { operator: ['eu'], tighter: { set: ['gpu'], inForce: ['eu', 'gpu'] }, looser: [] },
  worker_labels: { operator: ['eu'], tighter: { set: ['gpu'], inForce: ['eu', 'gpu'] }, looser: [] },
}

describe.each(collectionSettingNames)('%s', (name) => {
  const { operator, tighter, looser } = cases[name]

  it('of the operator is not lifted by a key, and may be tightened where that makes sense', async () => {
    expect((await byOperator({ [name]: operator })).status).toBe(200)
    const bound = await read()
    expect([bound.set_by[name], bound.operator[name]]).toEqual(['operator', expect.anything()])
    for (const value of looser) {
      const refused = await byKey({ [name]: value })
      expect([value, refused.status, refused.body.detail]).toEqual([value, 403, expect.stringContaining(name)])
    }
    const reset = await byKey({ [name]: null })
    if (name === 'quota') expect(reset.status).toBe(403)
    else expect(reset.headers.get('x-jetty-warnings')).toContain(`${name} stays as the operator`)
    expect((await read())[name]).toEqual(bound[name])
    if (tighter) {
      expect((await byKey({ [name]: tighter.set })).status).toBe(200)
      const tightened = await read()
      expect([tightened[name], tightened.set_by[name]]).toEqual([tighter.inForce, 'both'])
      expect((await byKey({ [name]: null })).status).toBe(200)
      expect((await read())[name]).toEqual(bound[name])
      await byKey({ [name]: tighter.set })
    }
    expect((await byOperator({ [name]: null })).status).toBe(200)
    const free = await read()
    expect([free[name], free.set_by[name], free.operator[name]]).toEqual([null, undefined, undefined])
  })
})

it('is free for keys where the operator has set nothing, within the limits of the server', async () => {
  expect((await byKey({ budget: { usd_per_day: 3 }, allowed_hosts: ['example.com'] })).status).toBe(200)
  expect((await read()).set_by).toEqual({ budget: 'keys', allowed_hosts: 'keys' })
  expect((await byKey({ budget: null, allowed_hosts: null })).status).toBe(200)
  const refused = await byKey({ rate_limit_per_minute: 1001 })
  expect([refused.status, refused.body.detail]).toEqual([403, expect.stringContaining('1000')])
})

it('forgets what keys have set where the operator sets less, and keeps it where it is less itself', async () => {
  await byKey({ budget: { usd_per_day: 3 }, retention_days: 20 })
  await byOperator({ budget: { usd_per_day: 2 }, retention_days: 30 })
  expect(await read()).toMatchObject({
    budget: { usd_per_day: 2 },
    retention_days: 20,
    set_by: { budget: 'operator', retention_days: 'both' },
  })
  await byOperator({ budget: null, retention_days: null })
})
