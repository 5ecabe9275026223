import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { openDatabase } from '../../../src/store/database/database.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { type FullDisk, makeFullDisk } from '../../full-disk.ts'
import { type Body, startTestServer, type TestServer } from '../../server.ts'

const echo = {
  init_params: { text: 'hello' },
  step_configs: { a: { activity: 'text_echo', text_path: 'init_params.text' } },
  steps: ['a'],
}
/** Five seconds, and one for a busy machine. */
const longestMs = 6_000

let created: TestDatabase
let disk: FullDisk
let jetty: TestServer
let task: string
const lines: Record<string, unknown>[] = []

beforeAll(async () => {
  created = await createTestDatabase()
  disk = makeFullDisk(created.url)
  jetty = await startTestServer({
    env: { DATABASE_URL: created.url, JETTY_METRICS_PORT: '0' },
    onLog: (line) => lines.push(line),
  })
  await jetty.call('POST', '/api/v1/collections', { name: 'acme' })
  task = await jetty.task(echo)
})
afterAll(async () => {
  await disk?.empty()
  await jetty?.close()
  await created?.drop()
})
afterEach(async () => {
  await disk.empty()
  await until(async () => (await ready()).database === 'up')
})

const start = (text: string) => {
  const form = new FormData()
  form.append('init_params', JSON.stringify({ text }))
  return jetty.call('POST', `/api/v1/run/acme/${task}`, form)
}
const ready = async (): Promise<Body> => (await fetch(`${jetty.url}/ready`)).json()
const metrics = async () => (await fetch(`${jetty.server.metricsUrl}/metrics`)).text()
const until = async (satisfied: () => Promise<boolean>) => {
  for (const begun = performance.now(); !(await satisfied()); await pause(50)) {
    if (performance.now() - begun > 40_000) throw new Error('never so')
  }
}
const timed = async (call: ReturnType<typeof start>) => {
  const begun = performance.now()
  const { status, headers, body } = await call
  return { status, isSoon: performance.now() - begun < longestMs, hint: body.hint, detail: body.detail, headers }
}
const unavailable = {
  status: 503,
  isSoon: true,
  detail: 'The disk of the database is full (SQLSTATE 53100)',
  hint: expect.stringContaining('Free space on the disk of PostgreSQL'),
}

test('starts get their 503 within five seconds, and say why', async () => {
  await disk.fill()
  const answers = await Promise.all(Array.from({ length: 12 }, () => timed(start('refused'))))
  expect(answers).toEqual(answers.map(() => expect.objectContaining(unavailable)))
  expect(answers[0]?.headers.get('retry-after')).toBe('5')

  const reason = expect.stringContaining(unavailable.detail)
  const seen = { ready: false, database: 'failing', reason, writable: false }
  expect(await ready()).toMatchObject(seen)
  expect(await metrics()).toMatch(/^jetty_database_up 0$/m)
  expect(await metrics()).toMatch(/^jetty_database_state{state="failing"} 1$/m)
  expect(await metrics()).toMatch(/^jetty_database_faults_total{code="53100"} [1-9]/m)
  expect(lines).toContainEqual(
    expect.objectContaining({ level: 'error', state: 'failing', code: '53100', msg: unavailable.detail }),
  )
  expect(await timed(start('later'))).toMatchObject(unavailable)
  const other = jetty.call('POST', '/api/v1/collections', { name: 'other' })
  expect(await timed(other)).toMatchObject(unavailable)
  expect((await jetty.call('GET', '/api/v1/tasks/acme')).status).toBe(200)

  await disk.empty()
  await until(async () => (await ready()).database === 'up')
  expect((await start('hello')).status).toBe(200)
  const database = openDatabase(created.url, { connections: 1 })
  const begun = await database.query<{ init_params: string }>(
    'select r.init_params from runs r join collections c on c.id = r.collection_id where c.name = $$acme$$',
  )
  expect(begun.map(({ init_params }) => JSON.parse(init_params).text)).toEqual(['hello'])
  await database.close()
})

test('a server without work notices it', async () => {
  await disk.fill()
  await until(async () => (await ready()).database === 'failing')
})

test('a run whose large output finds no room goes on when there is some', async () => {
  const workflow = {
    init_params: {},
    step_configs: { long: { activity: 'text_echo', text: 'x'.repeat(200_000) } },
    steps: ['long'],
  }
  const large = await jetty.task(workflow)
  await disk.fill(['payloads'])
  const { body } = await jetty.call('POST', `/api/v1/run/acme/${large}`, new FormData())
  const asked = () => jetty.get(large, body.trajectory_id)
  await until(async () => (await metrics()).includes('jetty_database_faults_total{code="53100"}'))
  await pause(300)
  expect(['pending', 'running']).toContain((await asked()).status)
  await disk.empty()
  const run = await jetty.until(large, body.trajectory_id, ({ status }) => status === 'completed')
  expect(run.steps.long.outputs.text).toHaveLength(200_000)
  expect(run.steps.long.attempt ?? 1).toBe(1)
})

test('a journal that cannot write makes an outage, also where there is room for what is tried', async () => {
  await disk.fill(['runs'])
  const answers = await Promise.all(Array.from({ length: 3 }, () => timed(start('refused too'))))
  expect(answers).toEqual(answers.map(() => expect.objectContaining(unavailable)))
  await disk.empty()
  await until(async () => (await start('hello again')).status === 200)
})
