// What is spent for whom: sums by day under labels, from calls of the gateway, runs and traces.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { completion, type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { rawPost } from '../../raw-post.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let fake: FakeOpenAi
let jetty: TestServer

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: fake.url } })
  const environment_variables = { OPENAI_API_KEY: 'sk-unmistakable-label-totals-77c1' }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
})
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})
beforeEach(async () => {
  await jetty.server.database.query('delete from label_days')
  await set({ label_totals: ['team'], label_values_per_day: null, record_calls: null })
})

/** US dollars and tokens of an answer of the fake, which counts 1000 and 100 tokens. */
const usd = (1000 * 0.15 + 100 * 0.6) / 1e6
const set = (settings: object) => jetty.call('PATCH', '/api/v1/collections/acme/settings', settings)

const chat = async (block: object, more: object = {}): Promise<string> => {
  const body = { model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'hello' }], ...more }
  const headers = { authorization: `Bearer ${jetty.server.adminToken}`, 'x-jetty-collection': 'acme' }
  const answer = await rawPost(
    `${jetty.url}/v1/chat/completions`,
    JSON.stringify({ ...body, jetty: { runbook: false, ...block } }),
    headers,
  )
  expect(answer.status).toBe(200)
  return answer.text
}

const stats = async (query: string): Promise<Body> => {
  const { status, body } = await jetty.call('GET', `/api/v1/stats/acme?${query}`)
  expect(status).toBe(200)
  return body
}
/** Calls, tokens and dollars by value of a label. */
const byValue = async (key: string) =>
  Object.fromEntries(
    (await stats(`by=label&label=${key}`)).rows.map((row: Body) => [row.key, [row.calls, row.tokens, row.cost_usd]]),
  )
const calls = (count: number) => [count, count * 1100, expect.closeTo(count * usd, 9)]

describe('calls of the gateway', () => {
  it('count under their user, their session and the keys that the collection names', async () => {
    await chat({ user: 'u-1', session: 's-1', labels: { team: 'a', plan: 'x' } })
    await chat({ user: 'u-1', session: 's-2', labels: { team: 'b' } }, { stream: true })
    await chat({ user: 'u-2', labels: { team: '' } })
    await chat({})
    expect(await byValue('user')).toEqual({ 'u-1': calls(2), 'u-2': calls(1) })
    expect(await byValue('session')).toEqual({ 's-1': calls(1), 's-2': calls(1) })
    expect(await byValue('team')).toEqual({ a: calls(1), b: calls(1) })
    const { rows, totals, label } = await stats('label=user:u-1')
    expect([rows, totals, label]).toMatchObject([[{ calls: 2, tokens: 2200 }], { calls: 2, runs: null }, 'user:u-1'])
    expect(rows[0].key).toMatch(/^\d{4}-\d\d-\d\d$/)
  })

  it('count without a record, too', async () => {
    await set({ record_calls: false })
    await chat({ user: 'u-3' })
    expect(await byValue('user')).toEqual({ 'u-3': calls(1) })
  })

  it('count together where a day has more values than the collection allows', async () => {
    await set({ label_values_per_day: 2 })
    for (const user of ['a', 'b', 'c', 'd', 'a', 'c']) await chat({ user })
    expect(await byValue('user')).toEqual({ a: calls(2), b: calls(1), '(other)': calls(3) })
  })

  it('count with the value of a long label cut', async () => {
    await chat({ user: 'x'.repeat(300) })
    expect(await byValue('user')).toEqual({ ['x'.repeat(200)]: calls(1) })
    expect((await stats(`label=user:${'x'.repeat(250)}`)).totals.calls).toBe(1)
  })
})

it('metrics have cost, tokens and calls of today by collection and model', async () => {
  await chat({ user: 'u-9' })
  expect(await byValue('user')).toEqual({ 'u-9': calls(1) }) // it is in the database
  const headers = { authorization: `Bearer ${jetty.server.adminToken}` }
  const metrics = async (): Promise<string> => (await fetch(`${jetty.url}/metrics`, { headers })).text()
  const of = '{collection="acme",model="openai/gpt-4o-mini"}'
  await expect.poll(metrics, { timeout: 20_000 }).toContain(`jetty_spent_today_usd${of}`)
  const value = (text: string, name: string) => Number(text.split(`${name}${of} `)[1]?.split('\n')[0])
  const text = await metrics()
  const total = value(text, 'jetty_spent_today_calls')
  expect(total).toBeGreaterThan(0)
  expect(value(text, 'jetty_spent_today_tokens')).toBe(total * 1100)
  expect(value(text, 'jetty_spent_today_usd')).toBeCloseTo(total * usd, 9)
})

describe('steps of runs', () => {
  const asking = { step_configs: { a: { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'x' } }, steps: ['a'] }

  it('count under the labels of their run, or of the nearest run above it', async () => {
    const child = await jetty.task(asking)
    const parent = await jetty.task({
      step_configs: {
        fan: {
          activity: 'list_emit_await',
          items_path: 'init_params.items',
          child_workflow_name: child,
          labels: { team: 'below' },
        },
        own: { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'y' },
      },
      steps: ['fan', 'own'],
    })
    const labels = { user: 'u-4', team: 'above' }
    const body = { labels, init_params: { items: [{ n: 1 }, { n: 2 }] } }
    const run = await jetty.call('POST', `/api/v1/run-sync/acme/${parent}`, body)
    expect(run.body.status).toBe('completed')
    expect(await byValue('user')).toEqual({ 'u-4': calls(3) })
    expect(await byValue('team')).toEqual({ below: calls(2), above: calls(1) })
  })

  it('count nowhere without labels', async () => {
    await jetty.run(asking)
    expect(await jetty.server.database.query('select * from label_days')).toEqual([])
  })
})

describe('calls of traces', () => {
  const string = (key: string, value: string) => ({ key, value: { stringValue: value } })
  let traces = 0
  const newTrace = () => (++traces).toString(16).padStart(32, 'c')
  interface SentSpan {
    id: number
    parent?: number
    tokens?: number
    user?: string
    nanos?: string
    answer?: string
  }
  const send = async (traceId: string, spans: SentSpan[]) => {
    const idOf = (id: number) => id.toString(16).padStart(16, '0')
    const sent = spans.map(({ id, parent, tokens, user, answer, nanos = '1767607200000000000' }) => ({
      ...{ traceId, spanId: idOf(id), name: 'chat', startTimeUnixNano: nanos },
      ...(parent && { parentSpanId: idOf(parent) }),
      attributes: [
        ...(user ? [string('user.id', user)] : []),
        ...(answer ? [string('gen_ai.response.id', answer)] : []),
        ...(tokens
          ? [
              string('gen_ai.operation.name', 'chat'),
              string('gen_ai.request.model', 'gpt-4o-mini'),
              string('gen_ai.usage.input_tokens', String(tokens)),
            ]
          : []),
      ],
    }))
    const body = { resourceSpans: [{ scopeSpans: [{ spans: sent }] }] }
    const answer = await rawPost(`${jetty.url}/v1/traces`, JSON.stringify(body), {
      authorization: `Bearer ${jetty.server.adminToken}`,
      ...{ 'x-jetty-collection': 'acme', 'content-type': 'application/json' },
    })
    expect([answer.status, JSON.parse(answer.text)]).toEqual([200, {}])
  }
  /** Calls and tokens by user on the day of the spans. */
  const byUser = async () => {
    const { rows } = await stats('by=label&label=user&from=2026-01-05&to=2026-01-05')
    return Object.fromEntries(rows.map((row: Body) => [row.key, [row.calls, row.tokens, row.cost_usd]]))
  }
  const used = (count: number, tokens: number) => [count, tokens, expect.closeTo((tokens * 0.15) / 1e6, 12)]

  it('count once, under a label that comes late or changes', async () => {
    const traceId = newTrace()
    await send(traceId, [{ id: 2, parent: 1, tokens: 100 }])
    expect(await byUser()).toEqual({})
    await send(traceId, [{ id: 1, user: 'u-5' }])
    expect(await byUser()).toEqual({ 'u-5': used(1, 100) })
    await send(traceId, [{ id: 3, parent: 1, tokens: 200 }])
    await send(traceId, [{ id: 3, parent: 1, tokens: 200 }])
    expect(await byUser()).toEqual({ 'u-5': used(2, 300) })
    await send(traceId, [{ id: 4, parent: 3, tokens: 150 }])
    expect(await byUser()).toEqual({ 'u-5': used(2, 250) })
    await send(traceId, [{ id: 5, parent: 1, tokens: 7, user: 'u-6' }])
    expect(await byUser()).toEqual({ 'u-6': used(3, 257) })
  })

  it.each([{ user: 'u-8' }, {}])('count once beside the record of the gateway, whose block is %j', async (block) => {
    const id = `chatcmpl-witness-${++traces}`
    fake.script({ body: completion('gpt-4o-mini', 'Hi', { id }) })
    await chat(block)
    expect(await byValue('user')).toEqual('user' in block ? { 'u-8': calls(1) } : {})
    const nowNanos = `${Date.now()}000000`
    const traceId = newTrace()
    const call = { id: 2, parent: 1, tokens: 1000, nanos: nowNanos, answer: id }
    await send(traceId, [call])
    await send(traceId, [{ id: 1, user: 'u-8', nanos: nowNanos }])
    expect(await byValue('user')).toEqual({ 'u-8': calls(1) })
  })

  it('count as they are read again', async () => {
    await send(newTrace(), [
      { id: 1, user: 'u-7' },
      { id: 2, parent: 1, tokens: 400 },
    ])
    await jetty.server.database.query(
      `update steps set usage = null, span = replace(span, '"kind":"chat"', '"kind":"span"') from runs r where r.id = steps.run_id and r.counted_labels like '%u-7%'`,
    )
    await jetty.server.database.query(`update label_days set usd = 0, tokens = 0, calls = 0 where value = 'u-7'`)
    expect(await byUser()).toEqual({})
    const { body } = await jetty.call('POST', '/api/v1/traces/acme/remap', {})
    expect(body.next_cursor).toEqual(expect.anything())
    for (let cursor = body.next_cursor; cursor; ) {
      cursor = (await jetty.call('POST', '/api/v1/traces/acme/remap', { cursor })).body.next_cursor
    }
    expect(await byUser()).toEqual({ 'u-7': used(1, 400) })
  })
})

it.each([
  ['by=label', 'Expected a key that is counted: user, session, team'],
  ['by=label&label=plan', 'Expected a key that is counted: user, session, team'],
  ['by=label&label=user:u-1', 'Expected a key without a value'],
  ['by=model&label=user', 'Sums of labels are kept by day alone'],
  ['task=x&label=user', 'Sums of labels are kept by day alone'],
])('statistics for %s are refused', async (query, message) => {
  const { status, body } = await jetty.call('GET', `/api/v1/stats/acme?${query}`)
  expect([status, body.detail[0].loc, body.detail[0].msg]).toEqual([
    422,
    ['query', 'label'],
    expect.stringContaining(message),
  ])
})
