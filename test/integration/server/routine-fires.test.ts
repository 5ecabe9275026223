// Routines: when they fire, and that a fire makes exactly one run. Long: all of it shares one server and one clock.
import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { activity } from '../../../src/activities/activity.ts'
import { fireKey } from '../../../src/background/routines/fire.ts'
import { definitionHash } from '../../../src/store/tasks/tasks.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'
import { startReceiver, type WebhookReceiver } from '../../webhook-receiver.ts'

let now = Date.parse('2026-11-27T09:30:00Z')
const clock = () => now
const at = (text: string) => Date.parse(text)

/** Runs that hold wait here until they are let go. */
const held = new Set<() => void>()
const hold = activity({
  name: 'hold',
  category: 'control',
  description: 'Waits until the test lets go.',
  parameters: z.object({}),
  outputs: z.object({ done: z.boolean() }),
  example: { activity: 'hold' },
  run: (_, { signal }) =>
    new Promise<{ done: boolean }>((resolve, reject) => {
      held.add(() => resolve({ done: true }))
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    }),
})
/** What steps were given, before anything is struck out of it. */
const seen: string[] = []
const see = activity({
  name: 'see',
  category: 'text',
  description: 'Shows the test what it was given.',
  parameters: z.object({ value: z.string() }),
  outputs: z.object({}),
  example: { activity: 'see', value_path: 'env.PLACE' },
  async run({ value }) {
    seen.push(value)
    return {}
  },
})

const letGo = async (count = 1) => {
  while (held.size < count) await new Promise((resolve) => setTimeout(resolve, 5))
  for (const release of held) release()
  held.clear()
}

let receiver: WebhookReceiver
let server: TestServer
let call: TestServer['call']
beforeAll(async () => {
  receiver = await startReceiver()
  const env = { JETTY_ALLOW_PRIVATE_NETWORK: new URL(receiver.url).host }
  server = await startTestServer({ clock, activities: [hold, see], beatMs: 10, env })
  call = server.call
})
afterAll(async () => {
  receiver?.close()
  await server?.close()
})

const echo = { activity: 'text_echo', text_path: 'init_params.text' }
const echoing = { init_params: { text: 'hello', other: 1 }, step_configs: { echo }, steps: ['echo'] }
const holding = { init_params: {}, step_configs: { wait: { activity: 'hold' } }, steps: ['wait'] }

let task: string
beforeEach(async () => {
  now = at('2026-11-27T09:30:00Z')
  await server.server.database.query('delete from routines') // those of other tests fire no more
  task = await server.task(echoing)
})

const path = (name = '', of = task) => `/api/v1/routines/acme/${of}${name && `/${name}`}`
const create = async (fields: object, of = task): Promise<Body> => {
  const answer = await call('POST', path('', of), { name: 'r', cadence: { type: 'hourly' }, ...fields })
  expect([answer.status, answer.body]).toEqual([201, expect.any(Object)])
  return answer.body
}
const get = async (of = task): Promise<Body> => (await call('GET', path('r', of))).body
const runsOf = async (of = task): Promise<Body[]> =>
  (await call('GET', `${path('r', of)}/runs?limit=500`)).body.trajectories
/** Fires whose runs are there, as clock times, oldest first. */
const firesOf = async (of = task): Promise<string[]> =>
  (await runsOf(of)).map((run) => run.attributes.params.routine.fire?.slice(11, 16) ?? 'by hand').sort()

const until = async <T>(look: () => Promise<T>, satisfied: (found: T) => boolean): Promise<T> => {
  for (let tries = 0; tries < 3000; tries++) {
    const found = await look()
    if (satisfied(found)) return found
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`never so: ${JSON.stringify(await look())}`)
}
/** Sets the clock and waits until nothing of the routine is due any more. */
const goTo = async (text: string, of = task): Promise<Body> => {
  now = at(text)
  return until(
    () => get(of),
    ({ next_run_at: next }) => next === null || at(next) > now,
  )
}

describe('a fire', () => {
  test('a routine follows its task: renamed with it, gone with it', async () => {
    await create({})
    expect((await call('PUT', `/api/v1/tasks/acme/${task}`, { name: `${task}-new` })).status).toBe(200)
    expect(await get(`${task}-new`)).toMatchObject({ name: 'r', task: `${task}-new` })
    await goTo('2026-11-27T10:00:00Z', `${task}-new`)
    const [run] = await until(
      () => runsOf(`${task}-new`),
      (runs) => runs.length === 1,
    )
    expect(run).toMatchObject({ name: `acme/${task}-new` })
    expect((await call('DELETE', `/api/v1/tasks/acme/${task}-new`)).status).toBe(200)
    expect(
      await server.server.database.query('select 1 from routines where id = $1', [run.triggered_by_routine_id]),
    ).toEqual([])
  })

  test('makes one run: overrides over parameters, secrets over the environment as it is by then', async () => {
    const of = await server.task({
      init_params: { text: 'a', other: 1 },
      step_configs: {
        one: { activity: 'text_echo', text_path: 'init_params.text' },
        two: { activity: 'see', value_path: 'env.PLACE' },
        three: { activity: 'see', value_path: 'env.ROUTINE_KEY' },
      },
      steps: ['one', 'two', 'three'],
    })
    await create(
      {
        init_params_overrides: { text: 'from the routine' },
        secret_params: { ROUTINE_KEY: 'sk-routine-unmistakable-6' },
      },
      of,
    )
    const variables = { PLACE: 'harbour', ROUTINE_KEY: 'sk-routine-unmistakable-7' }
    await call('PATCH', '/api/v1/collections/acme/environment', { environment_variables: variables })
    const routine = await goTo('2026-11-27T10:00:03Z', of)
    const [run, ...more] = await until(
      () => runsOf(of),
      ([one]) => one?.status === 'completed',
    )
    expect(more).toEqual([])
    expect(run).toMatchObject({
      triggered_by_routine_id: routine.id,
      author: 'routine:r',
      init_params: { text: 'from the routine', other: 1 },
      attributes: { params: { routine: { name: 'r', fire: '2026-11-27T10:00:00.000Z' } } },
    })
    expect(Object.keys(run.steps)).toEqual(['one', 'two', 'three'])
    expect(seen).toEqual(['harbour', 'sk-routine-unmistakable-6'])
    expect(await get(of)).toMatchObject({
      next_run_at: '2026-11-27T11:00:00.000000Z',
      last_trajectory_id: run.trajectory_id,
      last_run_at: run.created,
    })
    const [row] = await server.server.database.query<Body>('select id from runs where trajectory_id = $1', [
      run.trajectory_id,
    ])
    expect(row.id).toBe(fireKey(routine.id, at('2026-11-27T10:00:00Z')))
    const listed = await call('GET', `/api/v1/db/trajectories/acme/${of}?routine_id=${routine.id}`)
    expect(listed.body.total).toBe(1)
  })

  test('whose run was started by somebody who died before he moved on makes no second one', async () => {
    const { id } = await create({})
    const [place] = await server.server.database.query<Body>(
      'select t.id, t.definition, c.id as collection from tasks t join collections c on c.id = t.collection_id where t.name = $1',
      [task],
    )
    await server.server.engine.start({
      key: fireKey(id, at('2026-11-27T10:00:00Z')),
      collection: { id: place.collection, name: 'acme', payer: 1, environmentId: null },
      task: { id: place.id, name: task, definition: definitionHash(JSON.stringify(echoing)) },
      initParams: {},
      secrets: {},
      files: [],
      author: 'somebody',
      routineId: id,
    })
    const routine = await goTo('2026-11-27T10:00:10Z')
    expect(routine).toMatchObject({ next_run_at: '2026-11-27T11:00:00.000000Z', last_skipped_at: null })
    expect((await runsOf()).map((run) => run.author)).toEqual(['somebody'])
  })

  test('of a paused or manual routine does not happen', async () => {
    await create({ paused: true })
    await call('POST', path(), { name: 'm', cadence: { type: 'manual' } })
    await create({}, await server.task(echoing))
    now = at('2026-11-27T10:00:01Z')
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await firesOf()).toEqual([])
  })

  test('of a workflow that lost its parameter is left out, and says why', async () => {
    await create({ init_params_overrides: { other: 2 } })
    const { init_params: _, ...without } = echoing
    await call('PUT', `/api/v1/tasks/acme/${task}`, { workflow: { ...without, init_params: { text: 'x' } } })
    expect(await goTo('2026-11-27T10:00:01Z')).toMatchObject({
      last_skipped_at: '2026-11-27T10:00:00.000000Z',
      last_skip_reason: expect.stringContaining('Unknown init_params_overrides keys: other'),
      next_run_at: '2026-11-27T11:00:00.000000Z',
    })
    expect(await firesOf()).toEqual([])
    const byHand = await call('POST', `${path('r')}/run-now`)
    expect([byHand.status, byHand.body.detail]).toEqual([400, 'Unknown init_params_overrides keys: other'])
  })

  test('of a model that no key serves is recorded, and fails before its first step', async () => {
    const asking = { activity: 'litellm_chat', model: 'gpt-5', prompt: 'hello' }
    const of = await server.task({ init_params: {}, step_configs: { ask: asking }, steps: ['ask'] })
    await create({}, of)
    const routine = await goTo('2026-11-27T10:00:01Z', of)
    expect([routine.last_skip_reason, await firesOf(of)]).toEqual([null, ['10:00']])
    const [run] = await until(
      () => runsOf(of),
      ([first]) => first?.ended !== null,
    )
    expect(run).toMatchObject({ status: 'failed', error: expect.stringContaining("Step 'ask'"), steps: {} })
  })

  test('tells the webhook of its routine how its run has ended, signed', async () => {
    const secret = 'whsec-routine-unmistakable-9'
    await create({ webhook_url: `${receiver.url}/done`, webhook_secret: secret })
    await goTo('2026-11-27T10:00:01Z')
    const [run] = await until(
      () => runsOf(),
      (runs) => runs.length === 1,
    )
    const [told] = await until(
      async () => receiver.of(run.trajectory_id),
      (posts) => posts.length > 0,
    )
    expect(run.webhook_url).toBe(`${receiver.url}/done`)
    expect(JSON.parse(String(told?.body))).toMatchObject({ trajectory_id: run.trajectory_id, status: 'completed' })
    const signed = `${told?.headers['x-jetty-timestamp']}.${told?.body}`
    expect(told?.headers['x-jetty-signature']).toBe(createHmac('sha256', secret).update(signed).digest('hex'))
  })

  test('is not lost by a change that leaves the times alone', async () => {
    await create({ cadence: { type: 'cron', expression: '* * * * *' }, overlap: 'allow' })
    for (let minute = 31; minute < 51; minute++) {
      now = at(`2026-11-27T09:${minute}:00Z`)
      await call('PATCH', path('r'), { init_params_overrides: { other: minute } })
      await goTo(`2026-11-27T09:${minute}:00Z`)
    }
    expect((await goTo('2026-11-27T09:50:30Z')).last_skipped_at).toBe(null)
    expect(
      await until(
        () => firesOf(),
        (fires) => fires.length >= 20,
      ),
    ).toHaveLength(20)
  })
})

describe('by hand', () => {
  test('it runs while it is paused and while a run of it is active, once an Idempotency-Key', async () => {
    const of = await server.task(holding)
    await create({ paused: true }, of)
    const first = await call('POST', `${path('r', of)}/run-now`)
    expect([first.status, first.body]).toEqual([
      200,
      expect.objectContaining({ workflow_id: expect.stringContaining(first.body.trajectory_id), status: 'pending' }),
    ])
    expect(first.body.trajectory).toMatchObject({ triggered_by_routine_id: (await get(of)).id })
    const send = () =>
      fetch(`${server.url}${path('r', of)}/run-now`, {
        method: 'POST',
        headers: { authorization: `Bearer ${server.server.adminToken}`, 'idempotency-key': 'once' },
      }).then((answer) => answer.json() as Body)
    const ids = (await Promise.all([send(), send(), send()])).map((answer) => answer.trajectory_id)
    expect(new Set(ids).size).toBe(1)
    expect(await runsOf(of)).toHaveLength(2)
    await letGo(2)
  })
})

describe('while a run of it is active', () => {
  test('skip: fires are left out, and those after its end are not', async () => {
    const of = await server.task(holding)
    await create({}, of)
    await goTo('2026-11-27T10:00:01Z', of)
    const skipped = await goTo('2026-11-27T11:00:01Z', of)
    expect(skipped).toMatchObject({
      last_skipped_at: '2026-11-27T11:00:00.000000Z',
      last_skip_reason: expect.stringContaining('a run of the routine was still active'),
      waiting: 0,
    })
    await letGo()
    await until(
      () => runsOf(of),
      ([run]) => run?.status === 'completed',
    )
    await goTo('2026-11-27T12:00:01Z', of)
    expect(await firesOf(of)).toEqual(['10:00', '12:00'])
    await letGo()
  })

  test('queue: fires wait for one another, in order, over a pause dropped', async () => {
    const of = await server.task(holding)
    await create({ overlap: 'queue' }, of)
    await goTo('2026-11-27T10:00:01Z', of)
    await goTo('2026-11-27T11:00:01Z', of)
    expect(await goTo('2026-11-27T12:00:01Z', of)).toMatchObject({ waiting: 2, last_skipped_at: null })
    expect(await firesOf(of)).toEqual(['10:00'])
    await letGo()
    await until(
      () => firesOf(of),
      (fires) => fires.length === 2,
    )
    await until(
      () => get(of),
      ({ waiting }) => waiting === 1,
    )
    await letGo()
    await until(
      () => firesOf(of),
      (fires) => fires.length === 3,
    )
    await until(
      () => get(of),
      ({ waiting }) => waiting === 0,
    )
    expect(await goTo('2026-11-27T13:00:01Z', of)).toMatchObject({ waiting: 1 })
    await call('POST', `${path('r', of)}/pause`)
    await letGo()
    await until(
      () => runsOf(of),
      (runs) => runs.every((run) => run.status === 'completed'),
    )
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await firesOf(of)).toEqual(['10:00', '11:00', '12:00'])
  })

  test('allow: each fire has its run', async () => {
    const of = await server.task(holding)
    await create({ overlap: 'allow' }, of)
    for (const hour of ['10', '11', '12']) await goTo(`2026-11-27T${hour}:00:01Z`, of)
    expect((await runsOf(of)).map((run) => run.ended)).toEqual([null, null, null])
    await letGo(3)
  })
})

test('a time zone that is not known any more stops its routine, and no other one', async () => {
  await create({ cadence: { type: 'cron', expression: '0 * * * *', time_zone: 'Europe/Berlin' } })
  const other = await server.task(echoing)
  await create({}, other)
  const { database } = server.server
  await database.query("update routines set cadence = replace(cadence, 'Berlin', 'Atlantis')")
  expect(await goTo('2026-11-27T10:00:01Z')).toMatchObject({
    next_run_at: null,
    last_skip_reason: expect.stringContaining('set its cadence again'),
  })
  await goTo('2026-11-27T10:00:02Z', other)
  expect(await firesOf(other)).toEqual(['10:00'])
})

describe('while no server ran', () => {
  test.each([
    ['none', 'allow', ['14:00']],
    ['last', 'allow', ['14:00']],
    ['all', 'allow', ['10:00', '11:00', '12:00', '13:00', '14:00']],
    ['all', 'queue', ['10:00', '11:00', '12:00', '13:00', '14:00']],
  ])('catch_up %s with overlap %s, within a minute of the last fire', async (catchUp, overlap, fires) => {
    await create({ catch_up: catchUp, overlap })
    const routine = await goTo('2026-11-27T14:00:20Z')
    expect(
      await until(
        () => firesOf(),
        (found) => found.length >= fires.length,
      ),
    ).toEqual(fires)
    expect(routine.last_skip_reason ?? '').toContain(catchUp === 'all' ? '' : 'it was missed')
  })

  test.each([
    ['none', []],
    ['last', ['14:00']],
    ['all', ['10:00', '11:00', '12:00', '13:00', '14:00']],
  ])('catch_up %s, later', async (catchUp, fires) => {
    await create({ catch_up: catchUp, overlap: 'allow' })
    await goTo('2026-11-27T14:30:00Z')
    expect(
      await until(
        () => firesOf(),
        (found) => found.length >= fires.length,
      ),
    ).toEqual(fires)
  })

  test('all is bounded', async () => {
    await create({ catch_up: 'all', overlap: 'allow', cadence: { type: 'cron', expression: '* * * * *' } })
    const routine = await goTo('2026-11-27T14:30:30Z')
    expect(routine.last_skip_reason).toContain('2026-11-27T09:31:00')
    const fires = await until(
      () => firesOf(),
      (found) => found.length >= 101,
    )
    expect([fires.length, fires[0], fires.at(-1)]).toEqual([101, '12:50', '14:30'])
    await until(
      () => get(),
      ({ waiting }) => waiting === 0,
    )
  })
})

test('the clock is set back an hour: nothing fires twice, also after a change of the cadence', async () => {
  await create({ cadence: { type: 'cron', expression: '*/10 * * * *' }, overlap: 'allow' })
  for (const minute of ['40', '50']) await goTo(`2026-11-27T09:${minute}:00Z`)
  await goTo('2026-11-27T10:00:00Z')
  for (const minute of ['00', '10', '20', '30', '40', '50']) {
    now = at(`2026-11-27T09:${minute}:00Z`)
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  expect(await get()).toMatchObject({ next_run_at: '2026-11-27T10:10:00.000000Z' })
  now = at('2026-11-27T09:31:00Z')
  await call('PATCH', path('r'), { cadence: { type: 'cron', expression: '0,10,20,30,40,50 * * * *' } })
  for (const minute of ['40', '50']) await goTo(`2026-11-27T09:${minute}:00Z`)
  for (const minute of ['00', '10']) await goTo(`2026-11-27T10:${minute}:00Z`)
  expect(await firesOf()).toEqual(['09:40', '09:50', '10:00', '10:10'])
  expect((await get()).last_skipped_at).toBe(null)
})
