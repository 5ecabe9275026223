import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Workflow } from '../../../src/model/workflows/workflow.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let jetty: TestServer
let beside: TestServer

beforeAll(async () => {
  jetty = await startTestServer({ env: { JETTY_EVENT_BYTES: '2000', JETTY_KEPT_EVENTS: '60' } })
  beside = await startTestServer({ beside: jetty, env: { JETTY_ROLE: 'api' } })
}, 240_000)
afterAll(async () => {
  await beside?.close()
  await jetty?.close()
})

let lastKey = 0
const newKey = (): string => `order-${++lastKey}`

const waiting = (more: Record<string, unknown> = {}): Workflow => ({
  init_params: { order: '' },
  step_configs: {
    paid: { activity: 'wait_for_event', event: 'payment', key_path: 'init_params.order', ...more },
    say: { activity: 'text_echo', text_path: 'paid.outputs.payload.amount' },
  },
  steps: ['paid', 'say'],
})

interface Started {
  task: string
  id: string
}

const start = async (task: string, order: string): Promise<Started> => ({
  task,
  id: (await jetty.start(task, { init_params: { order } })).trajectory_id,
})

const parked = async ({ task, id }: Started): Promise<void> => {
  for (let tries = 0; tries < 1_500; tries++) {
    const rows = await jetty.server.database.query<{ parked: boolean }>(
      'select lease is null as parked from runs where trajectory_id = $1 and ended_at is null',
      [id],
    )
    if (rows[0]?.parked) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`never parked: ${JSON.stringify(await jetty.get(task, id))}`)
}

const startWaiting = async (order: string, more: Record<string, unknown> = {}): Promise<Started> => {
  const at = await start(await jetty.task(waiting(more)), order)
  await parked(at)
  return at
}

const send = (key: string, more: object = {}, server = jetty, token?: string) =>
  server.call('POST', '/api/v1/events/acme', { event: 'payment', key, payload: { amount: 5 }, ...more }, token)
const ended = ({ task, id }: Started): Promise<Body> => jetty.until(task, id, (run) => run.ended !== null)
const waitsOf = async ({ id }: Started): Promise<Body[]> =>
  (await jetty.call('GET', '/api/v1/event-waits/acme')).body.waits.filter((one: Body) => one.trajectory_id === id)

describe('a step that waits for an event', () => {
  it('goes on with its payload, from any process, and holds nothing meanwhile', async () => {
    const key = newKey()
    const at = await startWaiting(key)
    const before = await jetty.get(at.task, at.id)
    expect(before).toMatchObject({ status: 'running', waiting: null })
    const { runs } = (await jetty.call('GET', `/api/v1/runs/acme?task=${at.task}&waiting_for=event`)).body
    expect(runs).toMatchObject([{ trajectory_id: at.id, waiting_for: 'event' }])
    expect(before.steps.paid).toMatchObject({ status: 'running', wait: { for: 'event', until: null } })
    expect(before.steps.paid.logs).toMatchObject([{ type: 'event_awaited', attributes: { event: 'payment', key } }])
    expect(await waitsOf(at)).toMatchObject([{ task: at.task, step: 'paid', event: 'payment', key, expires_at: null }])
    const { status, body } = await send(key, { id: 'evt-1' }, beside)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      ...{ state: 'delivered', duplicate: false, id: 'evt-1', sent_by: 'admin', callback: false },
      taken_by: { task: at.task, trajectory_id: at.id, step: 'paid' },
    })
    const after = await ended(at)
    expect(after.status).toBe('completed')
    expect(after.steps.paid.attempt).toBe(1)
    expect(after.steps.paid.outputs).toEqual({
      payload: { amount: 5 },
      ...{ event: 'payment', key, id: 'evt-1', sent_by: 'admin', timed_out: false },
      received_at: expect.any(String),
    })
    expect(after.steps.paid.logs.map(({ type }: Body) => type)).toEqual(['event_awaited', 'event_received'])
    expect(after.steps.say.outputs.text).toBe(5)
    expect(await waitsOf(at)).toEqual([])
  })

  it('takes an event that came before it', async () => {
    const key = newKey()
    const early = await send(key)
    expect(early.body).toMatchObject({ state: 'kept', taken_by: null })
    const at = await start(await jetty.task(waiting()), key)
    expect((await ended(at)).steps.paid.outputs).toMatchObject({ payload: { amount: 5 }, id: early.body.id })
    const again = await send(key)
    expect(again.body).toMatchObject({ number: early.body.number, state: 'delivered', duplicate: true })
  })

  it('is named after its step and its run by default', async () => {
    const task = await jetty.task({ step_configs: { shipped: { activity: 'wait_for_event' } }, steps: ['shipped'] })
    const { trajectory_id: id } = await jetty.start(task)
    await parked({ task, id })
    await send(id, { event: 'shipped', payload: [1, 2] })
    expect((await ended({ task, id })).steps.shipped.outputs).toMatchObject({
      event: 'shipped',
      key: id,
      payload: [1, 2],
    })
  })

  it('refuses a payload that does not fit, and waits on', async () => {
    const key = newKey()
    const output_schema = { type: 'object', properties: { amount: { type: 'number' } }, required: ['amount'] }
    const at = await startWaiting(key, { output_schema })
    const bad = await send(key, { payload: { amount: 'five' } })
    expect(bad.status).toBe(422)
    expect(bad.body.detail[0]).toMatchObject({ loc: ['body', 'payload'], type: 'payload_invalid' })
    expect(bad.body.detail[0].msg).toContain('payload.amount')
    expect(await waitsOf(at)).toMatchObject([{ output_schema }])
    expect((await send(key)).body.state).toBe('delivered')
    expect((await ended(at)).status).toBe('completed')
  })

  it('leaves a kept event that does not fit, says so, and takes the next one', async () => {
    const key = newKey()
    const wrong = await send(key, { payload: { amount: 'five' } })
    await send(key, { payload: { amount: 6 } })
    const at = await start(
      await jetty.task(waiting({ output_schema: { properties: { amount: { type: 'number' } } } })),
      key,
    )
    const { paid } = (await ended(at)).steps
    expect(paid.outputs.payload).toEqual({ amount: 6 })
    expect(paid.logs[0].message).toMatch(/^Event 'sha256:\w+' was refused: The payload does not fit output_schema/)
    const { body } = await jetty.call('GET', '/api/v1/events/acme?state=refused')
    expect(body.events[0]).toMatchObject({ number: wrong.body.number, taken_by: { trajectory_id: at.id } })
  })

  it('whose time is over gets no event, though its run still sleeps', async () => {
    const key = newKey()
    const at = await startWaiting(key, { expires_in_sec: 3_600 })
    const late = `update event_waits set expires_at = now() - interval '1 second' where key = $1 returning 1`
    expect(await jetty.server.database.query(late, [key])).toHaveLength(1)
    expect(await waitsOf(at)).toEqual([])
    expect((await send(key)).body).toMatchObject({ state: 'kept', taken_by: null })
    await jetty.call('POST', `/api/v1/trajectory/acme/${at.task}/statuses`, { [at.id]: 'cancelled' })
  })

  it('names the first twenty events that it refused, and counts the rest', async () => {
    const key = newKey()
    for (let id = 0; id < 23; id++) await send(key, { id: String(id), payload: { amount: 'five' } })
    await send(key, { payload: { amount: 6 } })
    const output_schema = { properties: { amount: { type: 'number' } } }
    const { paid } = (await ended(await start(await jetty.task(waiting({ output_schema })), key))).steps
    const warnings = paid.logs.filter(({ type }: Body) => type === 'warning')
    expect(warnings).toHaveLength(21)
    expect(warnings[19].message).toContain("Event '19' was refused")
    expect(warnings[20].message).toContain('3 more events were refused')
  })

  it.each([
    ['fail', 'failed', {}],
    ['continue', 'completed', { payload: null, id: null, timed_out: true }],
  ])('that gets none in time follows on_timeout %s', async (on_timeout, status, outputs) => {
    const key = newKey()
    const at = await start(await jetty.task(waiting({ expires_in_sec: 0.3, on_timeout })), key)
    const { steps, error } = await ended(at)
    expect(steps.paid).toMatchObject({ status, outputs })
    if (on_timeout === 'fail') expect(error).toMatch(/Event 'payment' with key 'order-\d+' did not come by/)
    expect((await send(key)).body.state).toBe('kept')
  })

  it('is cancelled while it waits, and the event is kept then', async () => {
    const key = newKey()
    const at = await startWaiting(key)
    await jetty.call('POST', `/api/v1/trajectory/acme/${at.task}/statuses`, { [at.id]: 'cancelled' })
    expect(await ended(at)).toMatchObject({ status: 'cancelled', steps: { paid: { status: 'cancelled' } } })
    expect((await send(key)).body.state).toBe('kept')
  })

  it('waits again when the run is repeated, and not when it is replayed', async () => {
    const key = newKey()
    const at = await startWaiting(key)
    await send(key, { id: 'first' })
    await ended(at)
    const repeat = async (body: object) =>
      (await jetty.call('POST', `/api/v1/trajectory/acme/${at.task}/${at.id}/rerun`, body)).body.trajectory_id
    expect((await ended({ task: at.task, id: await repeat({ mode: 'replay' }) })).steps.paid.outputs.id).toBe('first')
    const again = { task: at.task, id: await repeat({}) }
    await parked(again)
    await send(key, { id: 'second' })
    expect((await ended(again)).steps.paid.outputs.id).toBe('second')
  })

  it('beside other steps waits in memory', async () => {
    const key = newKey()
    const task = await jetty.task({
      execution: 'parallel',
      step_configs: {
        one: { activity: 'wait_for_event', event: 'one', key },
        two: { activity: 'wait_for_event', event: 'two', key },
        after: { activity: 'text_echo', text_path: 'one.outputs.id' },
      },
      steps: ['one', 'two', 'after'],
    })
    const { trajectory_id: id } = await jetty.start(task)
    await jetty.until(task, id, ({ steps }) => steps.one?.status === 'running' && steps.two?.status === 'running')
    await send(key, { event: 'one', id: 'a' })
    await jetty.until(task, id, ({ steps }) => steps.after?.status === 'completed')
    await send(key, { event: 'two', id: 'b' })
    expect((await ended({ task, id })).steps).toMatchObject({
      two: { outputs: { id: 'b' } },
      after: { outputs: { text: 'a' } },
    })
  })

  it('in a loop takes one event each turn, in the order in which they came', async () => {
    const key = newKey()
    for (const id of ['a', 'b']) await send(key, { id })
    const task = await jetty.task({
      step_configs: {
        next: { activity: 'wait_for_event', event: 'payment', key },
        again: { activity: 'loop_counter', max_turns: 3, steps: ['next'] },
      },
      steps: ['next', 'again'],
    })
    const { trajectory_id: id } = await jetty.start(task)
    await parked({ task, id })
    await send(key, { id: 'b' })
    await send(key, { id: 'c' })
    const { steps } = await ended({ task, id })
    const taken = Object.values<Body>(steps).flatMap(({ outputs }) => (outputs.event ? [outputs.id] : []))
    expect(taken).toEqual(['a', 'b', 'c'])
  })
})

describe('an event', () => {
  it('continues one run, and once, out of twenty at the same time over two processes', async () => {
    const key = newKey()
    const task = await jetty.task(waiting())
    const runs = [await start(task, key), await start(task, key)]
    for (const run of runs) await parked(run)
    const first = (await jetty.call('GET', '/api/v1/event-waits/acme')).body.waits.find((one: Body) => one.key === key)
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => send(key, {}, at % 2 ? jetty : beside)))
    expect(answers.filter(({ status, body }) => status === 200 && !body.duplicate)).toHaveLength(1)
    expect(new Set(answers.map(({ body }) => body.taken_by?.trajectory_id))).toEqual(new Set([first.trajectory_id]))
    expect(await waitsOf(runs.find(({ id }) => id !== first.trajectory_id) as Started)).toHaveLength(1)
    await send(key, { id: 'other' })
    for (const run of runs) expect((await ended(run)).status).toBe('completed')
  })

  it('that comes while the run begins to wait is not missed', async () => {
    const task = await jetty.task(waiting())
    const keys = Array.from({ length: 25 }, newKey)
    const runs = await Promise.all(
      keys.map(async (key, at) => {
        const [run] = await Promise.all([start(task, key), send(key, {}, at % 2 ? jetty : beside)])
        return run
      }),
    )
    for (const run of runs) expect((await ended(run)).status).toBe('completed')
  })

  it('with a used id and another payload is refused', async () => {
    const key = newKey()
    await send(key, { id: 'same' })
    const other = await send(key, { id: 'same', payload: { amount: 6 } })
    expect(other).toMatchObject({ status: 409, body: { detail: "Event id 'same' was used for another payload" } })
  })

  it('that no run had in time may be sent again, as it was or with another payload', async () => {
    const key = newKey()
    expect((await send(key, { id: 'again', keep_for_sec: 0 })).body).toMatchObject({
      state: 'expired',
      duplicate: false,
    })
    const again = await send(key, { id: 'again', payload: { amount: 7 } })
    expect(again.body).toMatchObject({ state: 'kept', duplicate: false })
    const at = await start(await jetty.task(waiting()), key)
    expect((await ended(at)).steps.paid.outputs.payload).toEqual({ amount: 7 })
  })

  it('is discarded while it is kept', async () => {
    const key = newKey()
    const { number } = (await send(key)).body
    const discard = () => jetty.call('DELETE', `/api/v1/events/acme/${number}`)
    expect(await discard()).toMatchObject({ status: 200, body: { ok: true } })
    expect((await discard()).status).toBe(404)
    expect((await jetty.call('DELETE', '/api/v1/events/acme/nothing')).status).toBe(404)
  })

  it('is limited in size and number, and in what it may be', async () => {
    const key = newKey()
    const large = await send(key, { payload: 'x'.repeat(3_000) })
    expect(large.status).toBe(413)
    expect(large.body.detail).toMatch(/at most 2 KiB are allowed/)
    const bad = [
      { event: 'two words' },
      { key: '' },
      { key: 'a\nb' },
      { id: 'with space' },
      { keep_for_sec: 1e9 },
      { key: 7 },
    ]
    for (const more of bad) expect((await send(key, more)).status, JSON.stringify(more)).toBe(422)
    const flood = await Promise.all(Array.from({ length: 90 }, (_, at) => send(key, { id: `flood-${at}` })))
    const refused = flood.filter(({ status }) => status === 429)
    const [kept] = await jetty.server.database.query(`select count(*)::int as total from events where state = 'kept'`)
    expect(kept).toEqual({ total: 60 })
    expect(refused[0]?.body.hint ?? refused[0]?.body.detail).toMatch(/JETTY_KEPT_EVENTS|keeps \d+ events/)
    const at = await start(await jetty.task(waiting()), key)
    expect((await ended(at)).status).toBe('completed')
    await jetty.server.database.query(`delete from events where state = 'kept'`)
  })

  it('needs a key that may write, and says nothing of other collections', async () => {
    await jetty.call('POST', '/api/v1/collections', { name: 'foreign' })
    const makeKey = async (more: object) => (await jetty.call('POST', '/api/v1/api-keys', more)).body.api_key
    const reader = await makeKey({ name: 'looker', collection_name: 'acme', access_level: 'READ' })
    const stranger = await makeKey({ name: 'stranger', collection_name: 'foreign' })
    const key = newKey()
    const at = await startWaiting(key)
    expect((await send(key, {}, jetty, reader)).status).toBe(403)
    expect(await send(key, {}, jetty, stranger)).toMatchObject({
      status: 404,
      body: { detail: 'Collection not found' },
    })
    const elsewhere = await jetty.call('POST', '/api/v1/events/foreign', { event: 'payment', key }, stranger)
    expect(elsewhere.body).toMatchObject({ state: 'kept', sent_by: 'api-key:stranger' })
    expect(await waitsOf(at)).toHaveLength(1)
    await send(key)
    await ended(at)
  })

  it('is listed page by page, newest first', async () => {
    const key = newKey()
    for (const id of ['1', '2', '3']) await send(key, { id })
    const first = (await jetty.call('GET', '/api/v1/events/acme?limit=2&state=kept')).body
    expect(first.events.map(({ id }: Body) => id)).toEqual(['3', '2'])
    const rest = (await jetty.call('GET', `/api/v1/events/acme?limit=2&state=kept&cursor=${first.next_cursor}`)).body
    expect(rest.events[0].id).toBe('1')
  })
})

it.each([
  ['env.ORDER', {}],
  ['init_params.order', { init_params: { order: 'sk-event-unmistakable-93d1' } }],
])('a key that holds a secret is refused: %s', async (key_path, more) => {
  const task = await jetty.task(waiting({ key_path }))
  const { trajectory_id: id } = await jetty.start(task, {
    secret_params: { ORDER: 'sk-event-unmistakable-93d1' },
    ...more,
  })
  expect((await ended({ task, id })).error).toContain("parameter 'key' holds a secret")
})
