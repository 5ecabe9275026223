// Routines: what may be asked of them. When they fire stands in routine-fires.test.ts.
import { randomBytes } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  countOlder,
  resealColumn,
  routineSecretsSeal,
  routineWebhookSeal,
  sealedColumns,
} from '../../../src/store/secrets/sealed-texts.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

let server: TestServer
let call: TestServer['call']
beforeAll(async () => {
  server = await startTestServer({ clock: () => Date.parse('2026-11-27T09:30:00Z') })
  call = server.call
})
afterAll(() => server?.close())

const echo = { activity: 'text_echo', text_path: 'init_params.text' }
const echoing = { init_params: { text: 'hello', other: 1 }, step_configs: { echo }, steps: ['echo'] }

let task: string
beforeEach(async () => {
  task = await server.task(echoing)
})

const path = (name = '', of = task) => `/api/v1/routines/acme/${of}${name && `/${name}`}`
const create = async (fields: object, of = task): Promise<Body> => {
  const answer = await call('POST', path('', of), { name: 'r', cadence: { type: 'hourly' }, ...fields })
  expect([answer.status, answer.body]).toEqual([201, expect.any(Object)])
  return answer.body
}

test('a routine as it is answered, listed and found', async () => {
  const made = await create({
    name: 'Every-morning',
    cadence: { type: 'daily', hour_utc: 9 },
    init_params_overrides: { text: 'good morning' },
    secret_params: { API_KEY: 'sk-routine-unmistakable-1' },
    webhook_url: 'https://example.com/hook',
    webhook_secret: 'whsec-routine-unmistakable-1',
  })
  expect(made).toEqual({
    id: expect.any(Number),
    name: 'Every-morning',
    collection: 'acme',
    task,
    cadence: { type: 'daily', hour_utc: 9 },
    init_params_overrides: { text: 'good morning' },
    secret_param_keys: ['API_KEY'],
    version: null,
    paused: false,
    webhook_url: 'https://example.com/hook',
    has_webhook_secret: true,
    overlap: 'skip',
    catch_up: 'none',
    next_run_at: '2026-11-28T09:00:00.000000Z',
    last_run_at: null,
    last_trajectory_id: null,
    waiting: 0,
    last_skipped_at: null,
    last_skip_reason: null,
    created_at: '2026-11-27T09:30:00.000000Z',
    updated_at: '2026-11-27T09:30:00.000000Z',
  })
  expect((await call('GET', path('every-MORNING'))).body).toEqual(made)
  expect((await call('GET', path())).body).toEqual({ routines: [made] })
  expect((await call('GET', '/api/v1/routines/acme')).body.routines).toContainEqual(made)
  expect((await call('GET', '/api/v1/routines/acme/?limit=1')).body.routines).toHaveLength(1)
})

test.each([
  [{ type: 'manual' }, null],
  [{ type: 'hourly' }, '2026-11-27T10:00'],
  [{ type: 'hourly', minute_utc: 45 }, '2026-11-27T09:45'],
  [{ type: 'daily', hour_utc: 9, minute_utc: 31 }, '2026-11-27T09:31'],
  [{ type: 'weekdays', hour_utc: 8 }, '2026-11-30T08:00'],
  [{ type: 'weekly', day_of_week: 'fri', hour_utc: 9 }, '2026-12-04T09:00'],
  [{ type: 'cron', expression: '0 9 * * *', time_zone: 'America/New_York' }, '2026-11-27T14:00'],
  [{ type: 'cron', expression: ' 0  9 * * *\n' }, '2026-11-28T09:00'],
  [{ type: 'daily', hour_utc: 9, minute_utc: null, day_of_week: null }, '2026-11-28T09:00'],
])('%j fires next at %s', async (cadence, next) => {
  const made = await create({ cadence })
  expect(made.next_run_at?.slice(0, 16) ?? null).toBe(next)
})

test.each([
  [{ type: 'manual', minute_utc: 0 }, 400, "Cadence 'manual' does not take minute_utc"],
  [{ type: 'daily', hour_utc: 9, day_of_week: 'mon' }, 400, "Cadence 'daily' does not take day_of_week"],
  [{ type: 'hourly', hour_utc: 9 }, 400, "Cadence 'hourly' does not take hour_utc"],
  [{ type: 'daily', hour_utc: 9, time_zone: 'UTC' }, 400, "Cadence 'daily' does not take time_zone"],
  [{ type: 'daily', hour_utc: 9, every: 2 }, 400, "Cadence 'daily' does not take every"],
  [{ type: 'daily' }, 400, "Cadence 'daily' needs hour_utc"],
  [{ type: 'weekly' }, 400, "Cadence 'weekly' needs day_of_week and hour_utc"],
  [{ type: 'cron' }, 400, "Cadence 'cron' needs expression"],
])('%j breaks a rule: %i', async (cadence, status, text) => {
  const answer = await call('POST', path(), { name: 'r', cadence })
  expect([answer.status, answer.body.detail]).toEqual([status, expect.stringContaining(text)])
})

test.each([
  [{ cadence: { type: 'daily', hour_utc: 24 } }, ['body', 'cadence', 'hour_utc']],
  [{ cadence: { type: 'daily', hour_utc: 9, minute_utc: 60 } }, ['body', 'cadence', 'minute_utc']],
  [{ cadence: { type: 'weekly', hour_utc: 9, day_of_week: 'monday' } }, ['body', 'cadence', 'day_of_week']],
  [{ cadence: { type: 'yearly' } }, ['body', 'cadence', 'type']],
  [{ cadence: { type: 'daily', hour_utc: '9' } }, ['body', 'cadence', 'hour_utc']],
  [{ cadence: { type: 'cron', expression: '* * * *' } }, ['body', 'cadence', 'expression']],
  [{ cadence: { type: 'cron', expression: '0 0 30 2 *' } }, ['body', 'cadence', 'expression']],
  [{ cadence: { type: 'cron', expression: '0 0 * * *', time_zone: 'Mars/X' } }, ['body', 'cadence', 'time_zone']],
  [{ cadence: undefined }, ['body', 'cadence']],
  [{ name: 'a b' }, ['body', 'name']],
  [{ name: undefined }, ['body', 'name']],
  [{ paused: 'no' }, ['body', 'paused']],
  [{ overlap: 'maybe' }, ['body', 'overlap']],
  [{ secret_params: { KEY: 1 } }, ['body', 'secret_params', 'KEY']],
  [{ secret_params: { 'no name': 'x' } }, ['body', 'secret_params', 'no name']],
  [{ webhook_url: 'ftp://example.com' }, ['body', 'webhook_url']],
  [{ webhook_url: 'http://127.0.0.1/hook' }, ['body', 'webhook_url']],
  [{ webhook_secret: 'whsec-routine-unmistakable-2' }, ['body', 'webhook_secret']],
  [{ init_params_overrides: { file_paths: [] }, name: 'x y' }, ['body', 'name']],
])('%j is not valid: 422', async (fields, loc) => {
  const answer = await call('POST', path(), { name: 'r', cadence: { type: 'hourly' }, ...fields })
  expect([answer.status, answer.body.detail?.[0]?.loc]).toEqual([422, loc])
})

test('overrides may only name what the task has', async () => {
  const body = { name: 'r', cadence: { type: 'manual' }, init_params_overrides: { a: 1, text: 'x', b: 2 } }
  const refused = await call('POST', path(), body)
  expect([refused.status, refused.body.detail]).toEqual([400, 'Unknown init_params_overrides keys: a, b'])
  await create({})
  const patched = await call('PATCH', path('r'), { init_params_overrides: { toString: 1 } })
  expect([patched.status, patched.body.detail]).toEqual([400, 'Unknown init_params_overrides keys: toString'])
})

test('a name is there once a task, in any case', async () => {
  await create({})
  const again = await call('POST', path(), { name: 'R', cadence: { type: 'manual' } })
  expect([again.status, again.body.detail]).toEqual([
    400,
    expect.stringContaining("Routine with name 'R' already exists"),
  ])
  await create({}, await server.task(echoing))
})

test('a patch replaces what is given, whole, and null clears', async () => {
  await create({
    init_params_overrides: { text: 'x', other: 2 },
    secret_params: { ONE: 'sk-routine-unmistakable-3', TWO: 'sk-routine-unmistakable-4' },
    webhook_url: 'https://example.com/hook',
    webhook_secret: 'whsec-routine-unmistakable-3',
  })
  const patch = async (fields: object) => (await call('PATCH', path('r'), fields)).body
  expect(await patch({ init_params_overrides: { other: 3 } })).toMatchObject({
    init_params_overrides: { other: 3 },
    secret_param_keys: ['ONE', 'TWO'],
    has_webhook_secret: true,
  })
  expect(await patch({ secret_params: { THREE: 'sk-routine-unmistakable-5' } })).toMatchObject({
    secret_param_keys: ['THREE'],
  })
  expect(await patch({ secret_params: null })).toMatchObject({ secret_param_keys: [] })
  expect(await patch({ webhook_secret: null })).toMatchObject({
    has_webhook_secret: false,
    webhook_url: 'https://example.com/hook',
  })
  expect(await patch({ webhook_url: null })).toMatchObject({ webhook_url: null, has_webhook_secret: false })
  expect(await patch({ init_params_overrides: null })).toMatchObject({ init_params_overrides: {} })
  expect(await patch({ cadence: { type: 'daily', hour_utc: 7 } })).toMatchObject({
    cadence: { type: 'daily', hour_utc: 7 },
    next_run_at: '2026-11-28T07:00:00.000000Z',
  })
  expect(await patch({ paused: true })).toMatchObject({ paused: true, next_run_at: null })
  expect(await patch({ paused: false, cadence: { type: 'manual' } })).toMatchObject({
    paused: false,
    next_run_at: null,
  })
  expect(await patch({ overlap: 'queue', catch_up: 'all', name: 'r' })).toMatchObject({
    overlap: 'queue',
    catch_up: 'all',
  })
  expect((await call('PATCH', path('r'), { name: 'other' })).status).toBe(400)
  expect((await call('PATCH', path('r'), { cadence: null })).status).toBe(422)
  const sealed = await server.server.database.query(
    'select sealed_secrets, sealed_webhook_secret from routines where name = $1',
    ['r'],
  )
  expect(sealed.at(-1)).toEqual({ sealed_secrets: null, sealed_webhook_secret: null })
})

test('pause, resume, delete, and what is not there', async () => {
  await create({})
  expect((await call('POST', `${path('r')}/pause`)).body).toMatchObject({ ok: true, paused: true, next_run_at: null })
  expect((await call('POST', `${path('r')}/resume`, {})).body).toMatchObject({
    ok: true,
    paused: false,
    next_run_at: '2026-11-27T10:00:00.000000Z',
  })
  expect((await call('DELETE', path('r'))).body).toEqual({ ok: true })
  for (const [method, rest] of [
    ['GET', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['POST', '/pause'],
    ['POST', '/run-now'],
    ['GET', '/runs'],
  ] as const) {
    const answer = await call(method, `${path('r')}${rest}`, method === 'PATCH' ? {} : undefined)
    expect([answer.status, answer.body.detail]).toEqual([404, `Routine 'r' of task '${task}' not found`])
  }
  const nowhere = await call('GET', path('', 'nowhere'))
  expect([nowhere.status, nowhere.body.detail]).toEqual([404, "Task 'nowhere' in collection 'acme' not found"])
  expect((await call('GET', '/api/v1/routines/nowhere')).status).toBe(404)
})

test('what is secret of a routine is sealed anew when the key is changed, and still opens', async () => {
  const { database, sealer } = server.server
  const secrets = { secret_params: { ONE: 'sk-routine-unmistakable-8' } }
  const webhook = { webhook_url: 'https://example.com/hook', webhook_secret: 'whsec-routine-unmistakable-8' }
  const made = await create({ ...secrets, ...webhook })
  sealer.addNewest(randomBytes(32))
  const columns = sealedColumns.filter(({ table }) => table === 'routines')
  const older = async () => (await countOlder(database, sealer.currentKeyId, columns)).size
  expect(await older()).toBe(1)
  for (const column of columns) await resealColumn(database, sealer, column, async () => {})
  expect(await older()).toBe(0)
  const [row] = await database.query<Body>('select * from routines where id = $1', [made.id])
  expect(sealer.open(row.sealed_secrets, routineSecretsSeal(made.id))).toContain('sk-routine-unmistakable-8')
  expect(sealer.open(row.sealed_webhook_secret, routineWebhookSeal(made.id))).toBe('whsec-routine-unmistakable-8')
})

test('however large routines are, a list of them is written a few at a time', async () => {
  const text = 'x'.repeat(500_000)
  const names = Array.from({ length: 45 }, (_, at) => `r${at}`)
  for (const name of names) await create({ name, init_params_overrides: { text } })
  const namesIn = ({ routines }: Body): string[] => routines.map(({ name }: Body) => name)
  const headers = { authorization: `Bearer ${server.server.adminToken}` }
  const isBusyForLong = async (): Promise<boolean> => {
    const turns = monitorEventLoopDelay({ resolution: 5 })
    turns.enable()
    const bytes = await (await fetch(server.url + path(), { headers })).arrayBuffer()
    turns.disable()
    const begun = performance.now()
    const answer = JSON.parse(Buffer.from(bytes).toString())
    JSON.stringify(answer)
    const atOnceMs = performance.now() - begun // on a machine as busy as this one
    expect(namesIn(answer)).toEqual(names)
    return turns.max / 1e6 >= Math.max(500, atOnceMs)
  }
  // The machine may have stood still meanwhile, but not each time.
  for (let tries = 1; await isBusyForLong(); tries++) expect(tries).toBeLessThan(4)
  expect(namesIn((await call('GET', `${path()}?skip=7&limit=31`)).body)).toEqual(names.slice(7, 38))
  expect(namesIn((await call('GET', `${path()}?skip=45`)).body)).toEqual([])
})
