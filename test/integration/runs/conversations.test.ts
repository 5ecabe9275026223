// A conversation of forty turns by three end users, over the gateway, runs and traces: what is shown is what the provider bills.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { completion, type FakeOpenAi, startFakeOpenAi } from '../../fakes/openai.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

/** US dollars and tokens of one answer of the fake. */
const usd = (1000 * 0.15 + 100 * 0.6) / 1e6
const tokens = 1100
const users = ['ada', 'grace', 'edsger'] as const
const turns = 40

let fake: FakeOpenAi
let jetty: TestServer

const post = async (url: string, body: object): Promise<Body> => {
  const headers = {
    authorization: `Bearer ${jetty.server.adminToken}`,
    ...{ 'x-jetty-collection': 'acme', 'content-type': 'application/json' },
  }
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  expect(answer.status).toBeLessThan(300)
  return answer.json()
}

const get = async (path: string): Promise<Body> => {
  const { status, body } = await jetty.call('GET', `/api/v1/${path}`)
  expect([path, status]).toEqual([path, 200])
  return body
}

const chat = (content: string) => ({ model: 'gpt-4o-mini', messages: [{ role: 'user', content }] })
const attribute = (key: string, value: string | number) => ({
  key,
  value: typeof value === 'string' ? { stringValue: value } : { intValue: String(value) },
})

/** A turn of a program that asks the provider itself, and exports what it did: the call first, and its root later. */
const traced = async (turn: number, user: string, content: string): Promise<void> => {
  const { usage, choices } = await post(`${fake.url}/chat/completions`, chat(content))
  const traceId = turn.toString(16).padStart(32, 'e')
  const at = `${Date.now()}000000`
  const span = (id: number, attributes: object[], more: object = {}) => ({
    ...{ traceId, spanId: id.toString(16).padStart(16, '0'), name: id === 1 ? 'turn' : 'chat' },
    ...{ startTimeUnixNano: at, endTimeUnixNano: at, attributes, ...more },
  })
  const message = (role: string, text: string) => JSON.stringify([{ role, parts: [{ type: 'text', content: text }] }])
  const call = [
    attribute('gen_ai.operation.name', 'chat'),
    attribute('gen_ai.request.model', 'gpt-4o-mini'),
    attribute('gen_ai.usage.input_tokens', usage.prompt_tokens),
    attribute('gen_ai.usage.output_tokens', usage.completion_tokens),
    attribute('gen_ai.input.messages', message('user', content)),
    attribute('gen_ai.output.messages', message('assistant', choices[0].message.content)),
  ]
  const root = [attribute('user.id', user), attribute('session.id', 'one talk')]
  const send = (spans: object[]) => post(`${jetty.url}/v1/traces`, { resourceSpans: [{ scopeSpans: [{ spans }] }] })
  await send([span(2, call, { parentSpanId: '1'.padStart(16, '0') })])
  await send([span(1, root)])
}

beforeAll(async () => {
  fake = await startFakeOpenAi()
  jetty = await startTestServer({ env: { OPENAI_BASE_URL: fake.url } })
  const environment_variables = { OPENAI_API_KEY: 'sk-unmistakable-conversations-91c0' }
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', { environment_variables })
  await jetty.call('PATCH', '/api/v1/collections/acme/settings', { label_totals: ['team'] })
  fake.say((body) => `Turn: ${body.messages.at(-1).content}`)
  const ask = { activity: 'litellm_chat', model: 'gpt-4o-mini', prompt_path: 'init_params.prompt' }
  const child = await jetty.task({ init_params: { prompt: 'below' }, step_configs: { ask }, steps: ['ask'] })
  const task = await jetty.task({
    init_params: { prompt: '', items: [{ prompt: 'one' }, { prompt: 'two' }] },
    step_configs: {
      fan: { activity: 'list_emit_await', items_path: 'init_params.items', child_workflow_name: child },
      ask,
    },
    steps: ['fan', 'ask'],
  })
  for (let turn = 0; turn < turns; turn++) {
    const user = users[turn % users.length] ?? ''
    const labels = { user, session: 'one talk', team: turn % 2 ? 'odd' : 'even' }
    const content = `question ${turn}`
    if (turn % 4 === 1) {
      const body = { labels, init_params: { prompt: content } }
      const run = await jetty.call('POST', `/api/v1/run-sync/acme/${task}`, body)
      expect(run.body.status).toBe('completed')
    } else if (turn % 4 === 3) await traced(turn, user, content)
    else await post(`${jetty.url}/v1/chat/completions`, { ...chat(content), jetty: { runbook: false, labels } })
  }
  await post(`${jetty.url}/v1/chat/completions`, {
    ...chat('alone'),
    jetty: { runbook: false, user: 'ada', session: 'a/b' },
  })
}, 120_000)
afterAll(async () => {
  await jetty?.close()
  await fake?.close()
})

const sum = (rows: readonly Body[], name: string): number => rows.reduce((all, row) => all + row[name], 0)
/** All turns, page by page. */
const allTurns = async (): Promise<Body[]> => {
  const found: Body[] = []
  for (let cursor = ''; ; ) {
    const page = await get(`conversations/acme/one%20talk?limit=7${cursor && `&cursor=${cursor}`}`)
    found.push(...page.turns)
    if (!page.has_more) return found
    cursor = page.next_cursor
  }
}

describe('a conversation of forty turns by three users', () => {
  it('costs what the provider bills, by session, by user, by turn and by day', async () => {
    const bill = fake.asked.length
    expect(bill).toBe(10 * 3 + 10 + 20 + 1)
    const { conversations } = await get('conversations/acme')
    expect(conversations.map(({ session, runs }: Body) => [session, runs])).toEqual([
      ['a/b', 1],
      ['one talk', turns],
    ])
    const found = (await get('users/acme')).users
    const days = (await get('stats/acme?by=label&label=session')).rows
    const teams = (await get('stats/acme?by=label&label=team')).rows
    for (const rows of [conversations, found, days]) {
      expect([sum(rows, 'calls'), sum(rows, 'tokens')]).toEqual([bill, bill * tokens])
      expect(sum(rows, 'cost_usd')).toBeCloseTo(bill * usd, 9)
    }
    // Traces of this program and the last call name no team.
    expect(sum(teams, 'calls')).toBe(bill - 10 - 1)
    const shown = await allTurns()
    expect(sum(shown, 'tokens')).toBe((bill - 1) * tokens)
    expect(sum(shown, 'cost_usd')).toBeCloseTo((bill - 1) * usd, 9)
    for (const user of users) {
      const own = shown.filter((turn) => turn.user === user)
      const total = found.find((one: Body) => one.user === user)
      expect(total.tokens - (user === 'ada' ? tokens : 0)).toBe(sum(own, 'tokens'))
      expect((await get(`stats/acme?label=user:${user}`)).totals.tokens).toBe(total.tokens)
    }
  })

  it('is read in order, with what each turn said and started', async () => {
    const shown = await allTurns()
    expect(shown.map(({ said }) => said)).toEqual(Array.from({ length: turns }, (_, turn) => `question ${turn}`))
    expect(shown.map(({ answered }) => answered)).toEqual(shown.map(({ said }) => `Turn: ${said}`))
    expect(shown.map(({ trigger }) => trigger).slice(0, 4)).toEqual(['gateway', 'api', 'gateway', 'ingest'])
    expect(shown.map(({ started_total }) => started_total).slice(0, 4)).toEqual([0, 2, 0, 0])
    expect(shown[1]).toMatchObject({ cost_usd: expect.closeTo(3 * usd, 9), tokens: 3 * tokens, status: 'completed' })
    expect(shown[1]?.started.map(({ status }: Body) => status)).toEqual(['completed', 'completed'])
  })

  it('is found by its user, and by any name', async () => {
    const { conversations } = await get('conversations/acme?user=grace')
    expect(conversations).toMatchObject([{ session: 'one talk', user: 'ada' }])
    expect(await get('conversations/acme/a%2Fb')).toMatchObject({
      session: 'a/b',
      turns: [{ said: 'alone', user: 'ada' }],
    })
    expect(await get('users/acme/grace')).toMatchObject({ user: 'grace', runs: 13 })
  })

  it('is listed by pages', async () => {
    const first = await get('users/acme?limit=2')
    expect(first.users.map(({ user }: Body) => user)).toEqual(['ada', expect.any(String)])
    const second = await get(`users/acme?limit=2&cursor=${first.next_cursor}`)
    expect([second.users.length, second.has_more, second.next_cursor]).toEqual([1, false, null])
    expect(new Set([...first.users, ...second.users].map(({ user }) => user))).toEqual(new Set(users))
  })

  it('goes with its runs', async () => {
    fake.script({ body: completion('gpt-4o-mini', 'bye') })
    const answer = await post(`${jetty.url}/v1/chat/completions`, {
      ...chat('x'),
      jetty: { runbook: false, session: 'short' },
    })
    expect(answer.choices).toHaveLength(1)
    const { turns: shown } = await get('conversations/acme/short')
    const { task, trajectory_id: id } = shown[0]
    expect((await jetty.call('DELETE', `/api/v1/trajectory/acme/${task}/${id}/labels/session`)).status).toBeLessThan(
      300,
    )
    expect((await jetty.call('GET', '/api/v1/conversations/acme/short')).status).toBe(404)
    expect((await get('conversations/acme')).conversations).toHaveLength(2)
  })

  it.each(['conversations/acme?cursor=x', 'users/acme?cursor=1.*', 'conversations/acme/one%20talk?cursor=1'])(
    'says what is wrong with %s',
    async (path) => {
      const { status, body } = await jetty.call('GET', `/api/v1/${path}`)
      expect([status, body.detail[0].loc]).toEqual([422, ['query', 'cursor']])
    },
  )
})
