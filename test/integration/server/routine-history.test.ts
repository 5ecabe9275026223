// What became of the fires of a routine, and when the next ones are.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const at = (text: string) => Date.parse(`2026-11-27T${text}Z`)
let now = at('09:30:00')
let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ clock: () => now, beatMs: 10 })
})
afterAll(() => server?.close())

const approval = { ask: { activity: 'wait_for_approval', message: 'Go on?' } }

const create = async (fields: object): Promise<string> => {
  const task = await server.task({ step_configs: approval, steps: ['ask'] })
  const path = `/api/v1/routines/acme/${task}`
  const made = await server.call('POST', path, { name: 'r', cadence: { type: 'hourly' }, ...fields })
  expect(made.status).toBe(201)
  return `${path}/r`
}
const fires = async (path: string, query = ''): Promise<Body> =>
  (await server.call('GET', `${path}/fires${query}`)).body
const clocks = (list: Body[]) => list.map(({ time }) => time.slice(11, 16))

const hasEnded = ({ ended }: Body) => ended !== null

/** Sets the clock and waits until the routine has settled what was due. */
const goTo = async (path: string, clock: string): Promise<void> => {
  now = at(clock)
  await expect
    .poll(async () => Date.parse((await server.call('GET', path)).body.next_run_at ?? '2099-01-01'), {
      timeout: 20_000,
    })
    .toBeGreaterThan(now)
}

test('started with its run, skipped and missed with the reason, newest first', async () => {
  now = at('09:30:00')
  const path = await create({})
  expect(await fires(path)).toMatchObject({ paused: false, past: [] })
  await goTo(path, '10:00:01')
  await goTo(path, '11:00:01')
  await goTo(path, '14:30:00')
  const { next, past } = await fires(path, '?next=3')
  expect(clocks(next)).toEqual(['15:00', '16:00', '17:00'])
  expect(past.map(({ time, outcome }: Body) => [time.slice(11, 16), outcome])).toEqual([
    ['14:00', 'missed'],
    ['13:00', 'missed'],
    ['12:00', 'missed'],
    ['11:00', 'skipped'],
    ['10:00', 'started'],
  ])
  expect(past[0].reason).toBe('it was missed: no server ran at that time')
  expect(past[3]).toMatchObject({ reason: 'a run of the routine was still active', trajectory_id: null, status: null })
  const routine = (await server.call('GET', path)).body
  expect(past[4]).toMatchObject({ reason: null, trajectory_id: routine.last_trajectory_id, status: 'running' })
  expect(clocks((await fires(path, '?past=2')).past)).toEqual(['14:00', '13:00'])
  expect(await fires(path, '?past=0&next=0')).toEqual({ paused: false, next: [], past: [] })
  expect((await server.call('GET', `${path}/fires?next=1000`)).status).toBe(422)
})

test('a fire that waits for another run is waiting; a paused routine has no next times', async () => {
  now = at('09:30:00')
  const path = await create({ overlap: 'queue' })
  await goTo(path, '10:00:01')
  await goTo(path, '11:00:01')
  expect((await fires(path)).past.map(({ outcome }: Body) => outcome)).toEqual(['waiting', 'started'])
  await server.call('POST', `${path}/pause`)
  expect(await fires(path)).toMatchObject({ paused: true, next: [], past: [{ outcome: 'started' }] })
})

test('the next times are those of its time zone, over the change of the clock', async () => {
  now = Date.parse('2026-10-24T12:00:00Z')
  const cadence = { type: 'cron', expression: '30 2 * * *', time_zone: 'Europe/Berlin' }
  const path = await create({ cadence })
  const { next } = await fires(path, '?next=2')
  expect(next.map(({ time }: Body) => time)).toEqual(['2026-10-25T00:30:00.000000Z', '2026-10-26T01:30:00.000000Z'])
})

test('some hundred fires are kept of each routine', async () => {
  now = at('09:30:00')
  const path = await create({ overlap: 'allow' })
  const { id } = (await server.call('GET', path)).body
  await server.server.database.query(
    `insert into routine_fires select $1, timestamptz '2020-01-01' + n * interval '1 hour', 'missed' from generate_series(1, 3000) n`,
    [id],
  )
  const { keepFires } = await import('../../../src/store/routines.ts')
  for (let tries = 0; tries < 2_000; tries++) {
    await keepFires(server.server.database, [
      { id, outcomes: [{ at: new Date(now), outcome: 'missed', reason: null }] },
    ])
    const [row] = await server.server.database.query<Body>(
      'select count(*)::int as n from routine_fires where routine_id = $1',
      [id],
    )
    if (row.n <= 500) return
  }
  throw new Error('old fires were never removed')
})

test('a routine at a tag follows it at each fire; a tag that is gone is the reason of a fire without a run', async () => {
  now = at('09:30:00')
  const saying = (text: string, parameters = {}) => ({
    init_params: parameters,
    step_configs: { say: { activity: 'text_template', template: text } },
    steps: ['say'],
  })
  const task = await server.task(saying('one', { who: '' }))
  await server.call('PUT', `/api/v1/tasks/acme/${task}`, { workflow: saying('two', { who: '' }) })
  await server.call('PUT', `/api/v1/tasks/acme/${task}`, { workflow: saying('three') })
  const move = (version: string) => server.call('PUT', `/api/v1/tasks/acme/${task}/tags/production`, { version })
  const path = `/api/v1/routines/acme/${task}`
  const fields = { name: 'r', cadence: { type: 'hourly' }, version: 'production', init_params_overrides: { who: 'x' } }
  const refused = await server.call('POST', path, fields)
  expect([refused.status, refused.body.detail]).toEqual([404, "Version tag 'production' not found"])
  await move('0')
  expect((await server.call('POST', path, fields)).body).toMatchObject({ version: 'production' })
  await goTo(`${path}/r`, '10:00:01')
  await move('1')
  await goTo(`${path}/r`, '11:00:01')
  await server.call('DELETE', `/api/v1/tasks/acme/${task}/tags/production`)
  await goTo(`${path}/r`, '12:00:01')
  await move('2') // has no parameter of that name
  await goTo(`${path}/r`, '13:00:01')

  const { past } = await fires(`${path}/r`)
  expect(past.map(({ outcome, reason }: Body) => [outcome, reason])).toEqual([
    ['skipped', expect.stringContaining('Unknown init_params_overrides keys: who')],
    ['skipped', expect.stringContaining("Version tag 'production' not found")],
    ['started', null],
    ['started', null],
  ])
  const runs = await Promise.all(past.slice(2).map((one: Body) => server.until(task, one.trajectory_id, hasEnded)))
  expect(runs.map((run) => [run.steps.say.outputs.text, run.attributes.params.version])).toEqual([
    ['two', { ref: 'production', index: 1 }],
    ['one', { ref: 'production', index: 0 }],
  ])
  expect((await server.call('GET', `${path}/r`)).body.last_skip_reason).toContain('Unknown init_params_overrides')

  const change = (body: object) => server.call('PATCH', `${path}/r`, body)
  expect((await change({ version: null })).status).toBe(400) // its override is unknown to the newest version
  const newest = await change({ version: null, init_params_overrides: {} })
  expect([newest.status, newest.body.version]).toEqual([200, null])
  const { body: byHand } = await server.call('POST', `${path}/r/run-now`)
  expect((await server.until(task, byHand.trajectory_id, hasEnded)).steps.say.outputs.text).toBe('three')
})
