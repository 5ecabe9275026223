// Hooks from the delivery to the run: what is signed by GitHub, received twice, filtered, mapped, refused and delivered again.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { hookSecretSeal, sealedColumns } from '../../../src/store/secrets/sealed-texts.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { echoing, github, hmac, post, type TestHooks, testHooks } from './receiving.ts'

let jetty: TestServer
let call: TestServer['call']
let hooks: TestHooks
beforeAll(async () => {
  jetty = await startTestServer({
    env: { JETTY_HOOK_BYTES: '20000', JETTY_MAX_INIT_PARAMS_BYTES: '10000' },
    beatMs: 100,
    houseMs: 50,
  })
  call = jetty.call
  hooks = testHooks(jetty)
})
afterAll(() => jetty?.close())

let task: string
beforeEach(async () => {
  task = await jetty.task(echoing)
})

const path = (name: string) => `/api/v1/hooks/acme/${name}`
const endOf = (delivery: Body) => jetty.until(task, delivery.trajectory_id, (run) => run.ended !== null)
const push = { ref: 'refs/heads/main', head_commit: { id: 'c0ffee' }, repository: { full_name: 'acme/site' } }

describe('a delivery of GitHub', () => {
  it('starts one run with what the mapping makes of it', async () => {
    const hook = await hooks.create({
      task,
      sender: 'github',
      mapping: '{ "text": payload.head_commit.id & " " & event }',
    })
    expect(hook).toEqual({
      name: `${task}-github`,
      collection: 'acme',
      task,
      task_exists: true,
      sender: 'github',
      event: null,
      url: expect.stringMatching(/^http:.*\/hooks\/[\w-]{32}$/),
      filter: null,
      mapping: '{ "text": payload.head_commit.id & " " & event }',
      signature_header: null,
      delivery_header: null,
      disabled: false,
      has_secret: true,
      former_secret_until: null,
      refused: 0,
      last_refused_at: null,
      last_refusal: null,
      created_at: expect.any(String),
      updated_at: expect.any(String),
      secret: expect.stringMatching(/^whsec_/),
    })
    const answer = await github(hook, { id: 'd-1', body: push })
    expect(answer).toEqual({
      status: 200,
      body: { state: 'waiting', delivery: expect.any(Number), duplicate: false, trajectory_id: null },
    })
    const [delivery] = await hooks.settled(hook.name)
    expect(delivery).toEqual({
      number: answer.body.delivery,
      id: 'd-1',
      event: 'push',
      state: 'started',
      reason: null,
      task,
      trajectory_id: expect.stringMatching(/^[0-9a-f]{8}$/),
      status: expect.any(String),
      redelivered: 0,
      bytes: JSON.stringify(push).length,
      next_attempt_at: null,
      received_at: expect.any(String),
      settled_at: expect.any(String),
    })
    const run = await endOf(delivery)
    expect(run).toMatchObject({
      status: 'completed',
      init_params: { text: 'c0ffee push' },
      attributes: { params: { hook: { name: hook.name, delivery: delivery.number, id: 'd-1', event: 'push' } } },
    })
    expect(run.steps.echo.outputs.text).toBe('c0ffee push')
    expect((await hooks.one(hook.name, delivery.number)).payload).toEqual(push)
    // The secret is shown once.
    expect((await call('GET', path(hook.name))).body).toEqual({ ...hook, secret: undefined })
  })

  it('that comes again is answered with the run made before', async () => {
    const hook = await hooks.create({ task, sender: 'github' })
    await github(hook, { id: 'd-1', body: push })
    const [{ number, trajectory_id }] = (await hooks.settled(hook.name)) as [Body]
    expect(await github(hook, { id: 'd-1', body: push })).toEqual({
      status: 200,
      body: { state: 'started', delivery: number, duplicate: true, trajectory_id },
    })
    const many = await Promise.all(Array.from({ length: 10 }, () => github(hook, { id: 'd-2', body: { n: 2 } })))
    expect(many.map(({ status }) => status)).toEqual(many.map(() => 200))
    expect(many.filter(({ body }) => !body.duplicate)).toHaveLength(1)
    expect(await hooks.settled(hook.name)).toHaveLength(2)
    const rows = await jetty.server.database.query(`select count(*)::int n from runs where author = $1`, [
      `hook:${hook.name}`,
    ])
    expect(rows).toEqual([{ n: 2 }])
  })

  it('with a wrong signature, or one that was overheard, is refused and not stored', async () => {
    const hook = await hooks.create({ task, sender: 'github' })
    const refusals: [string, Parameters<typeof github>[1], Record<string, string>][] = [
      ['does not fit the body', { id: 'd-1', body: push }, { 'x-hub-signature-256': `sha256=${hmac('other', '{}')}` }],
      ['does not fit the body', { id: 'd-1', body: push }, { 'x-hub-signature-256': 'sha256=00' }],
      ['has no signature', { id: 'd-1', body: push }, { 'x-hub-signature-256': '' }],
      ['has no signature', { id: 'd-1', body: push }, { 'x-hub-signature-256': `sha1=${hmac('x', 'y')}` }],
    ]
    for (const [why, sent, headers] of refusals) {
      const answer = await github(hook, sent, headers)
      expect([answer.status, answer.body.detail]).toEqual([401, expect.stringContaining(why)])
    }
    expect(await hooks.deliveries(hook.name)).toEqual([])
    expect((await github(hook, { id: 'd-1', body: push })).status).toBe(200)
    // GitHub does not sign the id.
    const replayed = await github(hook, { id: 'd-9', body: push })
    expect([replayed.status, replayed.body.detail]).toEqual([401, expect.stringContaining('under another delivery id')])
    expect(await hooks.settled(hook.name)).toHaveLength(1)
    let seen: Body
    do seen = (await call('GET', path(hook.name))).body
    while (seen.refused < 5)
    expect(seen).toMatchObject({ refused: 5, last_refusal: expect.stringContaining('another delivery id') })
  })

  it('is signed over its bytes', async () => {
    const hook = await hooks.create({ task, sender: 'github', mapping: '{ "text": payload.name }' })
    const text = '\ufeff{ "name" : "Zoë",\n"n": 1.0 }' // a parser would drop the mark and the white space
    expect((await github(hook, { id: 'd-1', body: text })).status).toBe(200)
    const [delivery] = await hooks.settled(hook.name)
    expect((await endOf(delivery)).init_params).toEqual({ text: 'Zoë' })
  })

  it('that only tries the URL is listed, and starts nothing', async () => {
    const hook = await hooks.create({ task, sender: 'github' })
    const { status, body } = await github(hook, { id: 'd-1', event: 'ping', body: { zen: 'Keep it simple' } })
    expect([status, body.state]).toEqual([200, 'filtered'])
    expect(await hooks.deliveries(hook.name)).toMatchObject([{ state: 'filtered', reason: 'It only tries the URL' }])
  })

  it('comes as a form, too', async () => {
    const hook = await hooks.create({ task, sender: 'github', mapping: '{ "text": payload.ref }' })
    const text = new URLSearchParams({ payload: JSON.stringify(push) }).toString()
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    expect((await github(hook, { id: 'd-1', body: text }, type)).status).toBe(200)
    const [delivery] = await hooks.settled(hook.name)
    expect((await endOf(delivery)).init_params).toEqual({ text: 'refs/heads/main' })
  })

  it('is stored without secrets of the collection', async () => {
    const secret = 'sk-hook-unmistakable-77'
    await call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { HOOK_PLACE_KEY: secret } })
    jetty.leaks.remember('the variable', secret)
    const hook = await hooks.create({ task, sender: 'github', mapping: '{ "text": payload.text }' })
    await github(hook, { id: 'd-1', body: { text: `key ${secret}` } })
    const [delivery] = await hooks.settled(hook.name)
    expect((await hooks.one(hook.name, delivery.number)).payload).toEqual({ text: 'key ***' })
    await endOf(delivery)
  })
})

describe('filter and mapping', () => {
  it('let through what the filter is true of', async () => {
    const filter = 'event = "push" and payload.ref = "refs/heads/main"'
    const hook = await hooks.create({ task, sender: 'github', filter, mapping: '{ "text": "go" }' })
    await github(hook, { id: 'd-1', body: push })
    await github(hook, { id: 'd-2', body: { ...push, ref: 'refs/heads/next' } })
    await github(hook, { id: 'd-3', event: 'star', body: { ...push, n: 3 } })
    const found = await hooks.settled(hook.name)
    expect(found.map(({ id, state }) => [id, state])).toEqual([
      ['d-3', 'filtered'],
      ['d-2', 'filtered'],
      ['d-1', 'started'],
    ])
    expect((await hooks.deliveries(hook.name, '?state=filtered&limit=1')).map(({ id }) => id)).toEqual(['d-3'])
  })

  it('that fail say why, and what they are mended to is used when it is delivered again', async () => {
    const hook = await hooks.create({ task, sender: 'github', mapping: 'payload.ref' })
    await github(hook, { id: 'd-1', body: push })
    const [before] = await hooks.settled(hook.name)
    expect(before).toMatchObject({ state: 'failed', trajectory_id: null })
    expect(before.reason).toMatch(/must lead to an object.*leads to a string/)
    await call('PATCH', path(hook.name), { mapping: '{ "text": $error("not today") }' })
    expect((await call('POST', `${path(hook.name)}/redeliver`, { number: before.number })).body).toEqual({
      redelivered: 1,
    })
    expect((await hooks.settled(hook.name))[0].reason).toMatch(/The mapping failed: not today/)
    await call('PATCH', path(hook.name), { mapping: '{ "text": "a" }' })
    expect((await call('POST', `${path(hook.name)}/redeliver`, { state: 'failed' })).body).toEqual({ redelivered: 1 })
    const [after] = await hooks.settled(hook.name)
    expect(after).toMatchObject({ state: 'started', reason: null, redelivered: 2 })
    expect((await endOf(after)).init_params).toEqual({ text: 'a' })
  })

  it('that never end, or make too much, fail', async () => {
    const hook = await hooks.create({ task, sender: 'github', mapping: '{ "text": $string([1..9000]) }' })
    await github(hook, { id: 'd-1', body: push })
    expect((await hooks.settled(hook.name))[0]).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('init_params; at most'),
    })
  })

  it('can be tried on a payload or a delivery, and start nothing', async () => {
    const hook = await hooks.create({
      task,
      sender: 'github',
      filter: 'payload.n > 1',
      mapping: '{ "text": payload.n }',
    })
    const test = async (body: object) => (await call('POST', `${path(hook.name)}/test`, body)).body
    expect(await test({ payload: { n: 2 } })).toEqual({ passes: true, init_params: { text: 2 }, problem: null })
    expect(await test({ payload: { n: 1 } })).toEqual({ passes: false, init_params: null, problem: null })
    expect(await test({ payload: { n: 2 }, mapping: '{ "txt": 1 }' })).toMatchObject({
      passes: true,
      init_params: { txt: 1 },
      warnings: [{ field: 'init_params.txt' }],
    })
    expect(await test({ payload: { n: 'x' } })).toMatchObject({
      passes: false,
      problem: expect.stringMatching(/The filter failed/),
    })
    await github(hook, { id: 'd-1', body: { n: 7 } })
    const [{ number }] = (await hooks.settled(hook.name)) as [Body]
    expect(await test({ delivery: number })).toEqual({ passes: true, init_params: { text: 7 }, problem: null })
    expect((await call('POST', `${path(hook.name)}/test`, {})).status).toBe(422)
    expect((await call('POST', `${path(hook.name)}/test`, { delivery: 999_999 })).status).toBe(404)
    expect(await hooks.deliveries(hook.name)).toHaveLength(1)
  })

  it('without a mapping the run gets payload and event', async () => {
    const hook = await hooks.create({ task, sender: 'github' })
    await github(hook, { id: 'd-1', body: push })
    const [delivery] = await hooks.settled(hook.name)
    expect((await endOf(delivery)).init_params).toEqual({ text: 'none', payload: push, event: 'push' })
  })
})

describe('what keeps a delivery from starting a run', () => {
  it('a disabled hook keeps it', async () => {
    const hook = await hooks.create({ task, sender: 'github', disabled: true })
    expect((await github(hook, { id: 'd-1', body: push })).body.state).toBe('disabled')
    expect(await hooks.deliveries(hook.name)).toMatchObject([{ state: 'disabled' }])
    await call('PATCH', path(hook.name), { disabled: false })
    await call('POST', `${path(hook.name)}/redeliver`, { state: 'disabled' })
    expect(await hooks.settled(hook.name)).toMatchObject([{ state: 'started' }])
  })

  it('a deleted task is named, and one of the same name takes its place', async () => {
    const hook = await hooks.create({ task, sender: 'github' })
    await call('DELETE', `/api/v1/tasks/acme/${task}`)
    expect((await call('GET', path(hook.name))).body).toMatchObject({ task, task_exists: false })
    await github(hook, { id: 'd-1', body: push })
    expect(await hooks.settled(hook.name)).toMatchObject([
      { state: 'task_missing', reason: `The collection has no task '${task}' any more` },
    ])
    await call('POST', '/api/v1/tasks/acme', { name: task, workflow: echoing })
    await call('POST', `${path(hook.name)}/redeliver`, { state: 'task_missing' })
    expect(await hooks.settled(hook.name)).toMatchObject([{ state: 'started' }])
  })

  it('a paused collection is named', async () => {
    const hook = await hooks.create({ task, sender: 'github' })
    expect((await call('POST', '/api/v1/collections/acme/pause', {})).status).toBe(200)
    await github(hook, { id: 'd-1', body: push })
    expect(await hooks.settled(hook.name)).toMatchObject([
      { state: 'paused', reason: expect.stringContaining('paused') },
    ])
    await call('POST', '/api/v1/collections/acme/resume', {})
    await call('POST', `${path(hook.name)}/redeliver`, { state: 'paused' })
    expect(await hooks.settled(hook.name)).toMatchObject([{ state: 'started' }])
  })
})

describe('a hook', () => {
  it.each([
    [{ task: 'nothing' }, 404, "Task 'nothing' in collection 'acme' not found"],
    [{ sender: 'gitlab' }, 422, 'sender'],
    [{ filter: 'payload.' }, 422, 'The filter cannot be used: it is not JSONata'],
    [{ mapping: '{ "a": }' }, 422, 'The mapping cannot be used: it is not JSONata'],
    [{ event: 'paid' }, 422, "Only sender 'event' has an event"],
    [{ sender: 'event' }, 422, "Sender 'event' needs the name of the events"],
    [{ signature_header: 'X-Signature' }, 422, "signature_header is for 'generic'"],
    [{ sender: 'generic', delivery_header: 'X-Id' }, 422, 'delivery_header needs a signature_header'],
    [{ sender: 'generic', secret: 'not-base64' }, 422, 'base64'],
    [{ sender: 'event', event: 'paid', secret: 'abcdefgh' }, 422, 'signs nothing'],
    [{ name: 'a b' }, 422, 'name'],
  ])('is refused with %j', async (fields, status, text) => {
    const answer = await call('POST', '/api/v1/hooks/acme', { task, sender: 'github', ...fields })
    expect([answer.status, JSON.stringify(answer.body)]).toEqual([status, expect.stringContaining(text)])
  })

  it('has a name of its own in the collection, and is listed by task', async () => {
    const first = await hooks.create({ task, sender: 'github', name: `${task}-one` })
    const second = await hooks.create({ task, sender: 'stripe', name: `${task}-two` })
    expect(second).toMatchObject({ has_secret: false, secret: null })
    const again = await call('POST', '/api/v1/hooks/acme', { task, sender: 'slack', name: first.name.toUpperCase() })
    expect([again.status, again.body.detail]).toEqual([400, expect.stringContaining('already has a hook')])
    const names = async (query: string) =>
      (await call('GET', `/api/v1/hooks/acme?${query}`)).body.hooks.map(({ name }: Body) => name)
    expect(await names(`task=${task}`)).toEqual([first.name, second.name])
    const page = (await call('GET', `/api/v1/hooks/acme?task=${task}&limit=1`)).body
    expect([page.has_more, await names(`task=${task}&cursor=${page.next_cursor}`)]).toEqual([true, [second.name]])
    const etag = (await call('GET', path(first.name))).headers.get('etag')
    expect(etag).toMatch(/^"/)
    expect((await call('DELETE', path(first.name))).body).toEqual({ ok: true })
    expect((await call('GET', path(first.name))).status).toBe(404)
    expect((await github(first, { id: 'd-1', body: push })).status).toBe(404)
  })

  it('of an unknown URL is not found, whatever is sent', async () => {
    for (const id of ['x', 'a'.repeat(32), '%00', 'a'.repeat(5000)]) {
      const { status } = await post(`${jetty.url}/hooks/${id}`, 'not json', {})
      expect([404, 414, 431]).toContain(status)
    }
  })

  it('reads no body above its limit', async () => {
    const hook = await hooks.create({ task, sender: 'github' })
    expect((await github(hook, { id: 'd-1', body: { text: 'x'.repeat(20_000) } })).status).toBe(413)
    expect((await github(hook, { id: 'd-2', body: '{"a":' })).status).toBe(422)
    expect(await hooks.deliveries(hook.name)).toEqual([])
  })

  it('takes the former secret for a while after a change', async () => {
    const [first, second] = ['first-hook-secret-unmistakable', 'second-hook-secret-unmistakable']
    for (const secret of [first, second]) jetty.leaks.remember('the signing secret', secret)
    const hook = await hooks.create({ task, sender: 'github', secret: first })
    expect(hook.secret).toBe(null)
    const changed = await call('PATCH', path(hook.name), { secret: second, keep_former_sec: 3600 })
    expect(changed.body).toMatchObject({ has_secret: true, former_secret_until: expect.any(String) })
    const sent = async (secret: string, id: string) =>
      (await github({ url: hook.url, secret }, { id, body: { id } })).status
    expect([await sent(first, 'd-1'), await sent(second, 'd-2'), await sent('other', 'd-3')]).toEqual([200, 200, 401])
    await call('PATCH', path(hook.name), { secret: second, keep_former_sec: 0 })
    expect([await sent(first, 'd-4'), await sent(second, 'd-5')]).toEqual([401, 200])
    await hooks.settled(hook.name)
  })

  it('has its secrets encrypted, bound to it, and in the list that a change of the key follows', async () => {
    const hook = await hooks.create({ task, sender: 'github', secret: 'sealed-hook-secret-unmistakable' })
    const columns = sealedColumns.filter(({ table }) => table === 'hooks')
    expect(columns.map(({ sealed }) => sealed)).toEqual(['sealed_secret', 'sealed_former_secret'])
    const rows = await jetty.server.database.query<{ id: number; sealed_secret: string }>(
      'select id, sealed_secret from hooks where name = $1',
      [hook.name],
    )
    expect(rows[0]?.sealed_secret).toMatch(/^v1\./)
    expect(hookSecretSeal(Number(rows[0]?.id))).toBe(`hooks/${rows[0]?.id}`)
  })

  it('is changed only by who may write, and seen by who may read', async () => {
    const hook = await hooks.create({ task, sender: 'github' })
    const wanted = { name: `r-${task}`, collection_name: 'acme', access_level: 'READ' }
    const token = (await call('POST', '/api/v1/api-keys', wanted)).body.api_key
    expect((await call('GET', path(hook.name), undefined, token)).status).toBe(200)
    for (const [method, of, body] of [
      ['POST', '/api/v1/hooks/acme', { task, sender: 'github' }],
      ['PATCH', path(hook.name), { disabled: true }],
      ['DELETE', path(hook.name), undefined],
      ['POST', `${path(hook.name)}/redeliver`, { number: 1 }],
    ] as const) {
      expect([method, of, (await call(method, of, body, token)).status]).toEqual([method, of, 403])
    }
  })
})

it('keeps a bounded number of waiting deliveries', async () => {
  const beside = await startTestServer({ beside: jetty, env: { JETTY_HOOK_WAITING: '2', JETTY_ROLE: 'api' } })
  try {
    const hook = await hooks.create({ task, sender: 'github', disabled: false })
    // Waiting deliveries, as a server that stands still would leave them.
    await jetty.server.database.query(
      `insert into hook_deliveries (hook_id, delivery_id, payload, bytes, state, due_at)
       select id, 'w-' || n, '{}', 2, 'waiting', 'infinity' from hooks, generate_series(1, 2) n where name = $1`,
      [hook.name],
    )
    const url = hook.url.replace(jetty.url, beside.url)
    const answer = await github({ url, secret: hook.secret }, { id: 'd-1', body: push })
    expect([answer.status, answer.body.detail]).toEqual([503, expect.stringContaining('wait for their run already')])
    await call('DELETE', path(hook.name))
  } finally {
    await beside.close()
  }
})

describe('an event', () => {
  const send = (event: string, fields: object = {}) =>
    call('POST', '/api/v1/events/acme', { event, key: '4711', payload: { number: 4711 }, ...fields })

  it('starts one run for each hook of its name, however often it is sent', async () => {
    const event = `${task}.paid`
    const fields = { task, sender: 'event', event, mapping: '{ "text": payload.number & " " & event }' }
    const first = await hooks.create({ ...fields, name: `${task}-a` })
    const second = await hooks.create({ ...fields, name: `${task}-b`, filter: 'payload.number > 5000' })
    expect(first).toMatchObject({ url: null, has_secret: false, secret: null, event })
    expect((await send(event, { id: 'e-1' })).body).toMatchObject({
      state: 'delivered',
      taken_by: null,
      duplicate: false,
    })
    expect((await send(event, { id: 'e-1' })).body).toMatchObject({ state: 'delivered', duplicate: true })
    const [delivery, ...others] = (await hooks.settled(first.name)) as [Body]
    expect([delivery, others]).toEqual([expect.objectContaining({ id: '4711/e-1', event, state: 'started' }), []])
    expect((await endOf(delivery)).steps.echo.outputs.text).toBe(`4711 ${event}`)
    expect(await hooks.settled(second.name)).toEqual([expect.objectContaining({ state: 'filtered' })])
  })

  it('goes to the step that waits for it, and to hooks as well', async () => {
    const event = `${task}.both`
    const waiting = await jetty.task({
      step_configs: { w: { activity: 'wait_for_event', event, key: '4711' } },
      steps: ['w'],
    })
    const run = await jetty.start(waiting)
    await jetty.until(waiting, run.trajectory_id, ({ steps }) => steps.w !== undefined)
    const hook = await hooks.create({ task, sender: 'event', event })
    const taken = async () => (await send(event)).body.taken_by
    await expect.poll(taken).toMatchObject({ task: waiting, step: 'w' })
    expect(await hooks.settled(hook.name)).toEqual([expect.objectContaining({ state: 'started' })])
  })

  it('of another name is kept for a step, as before', async () => {
    expect((await send(`${task}.none`)).body).toMatchObject({ state: 'kept' })
  })

  it('is stored for a hook without secrets of the collection', async () => {
    const secret = 'sk-unmistakable-event-5b1d'
    await call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: { EVENT_KEY: secret } })
    const hook = await hooks.create({ task, sender: 'event', event: `${task}.secret` })
    await send(`${task}.secret`, { payload: { token: secret } })
    const [delivery] = (await hooks.settled(hook.name)) as [Body]
    expect((await hooks.one(hook.name, delivery.number)).payload).toEqual({ token: '***' })
  })
})
