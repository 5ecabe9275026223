import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { openDatabase } from '../../../src/store/database/database.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { type FrailDatabase, openFrailDatabase } from '../../frail-database.ts'
import { startTestServer, type TestServer } from '../../server.ts'

const workflow = {
  init_params: { text: 'hello' },
  step_configs: { a: { activity: 'text_echo', text_path: 'init_params.text' } },
  steps: ['a'],
}
/** Five seconds, and one for a busy machine. */
const longestMs = 6_000

let created: TestDatabase
let frail: FrailDatabase
let jetty: TestServer
let task: string

beforeAll(async () => {
  created = await createTestDatabase()
  frail = await openFrailDatabase(created.url)
  jetty = await startTestServer({ env: { DATABASE_URL: frail.url, JETTY_METRICS_PORT: '0' } })
  await jetty.call('POST', '/api/v1/collections', { name: 'acme' })
  task = await jetty.task(workflow)
})
afterAll(async () => {
  frail?.heal()
  await jetty?.close()
  await frail?.close()
  await created?.drop()
})

const startWith = (text: string) => {
  const form = new FormData()
  form.append('init_params', JSON.stringify({ text }))
  return jetty.call('POST', `/api/v1/run/acme/${task}`, form)
}
const start = () => startWith('hello')
const list = () => jetty.call('GET', '/api/v1/tasks/acme')
const hasMetric = async (line: RegExp) => line.test(await (await fetch(`${jetty.server.metricsUrl}/metrics`)).text())
const isUp = () => hasMetric(/^jetty_database_up 1$/m)
const isAway = () => hasMetric(/^jetty_database_state\{state="away"\} 1$/m)
const until = async (satisfied: () => Promise<boolean>) => {
  for (const begun = performance.now(); !(await satisfied()); await pause(50)) {
    if (performance.now() - begun > 40_000) throw new Error('never so')
  }
}
const asked = (calls: (() => ReturnType<typeof start>)[]) =>
  Promise.all(
    calls.map(async (call) => {
      const begun = performance.now()
      const { status, headers, body } = await call()
      const isSoon = performance.now() - begun < longestMs
      return { status, isSoon, retryAfter: headers.get('retry-after'), hint: body.hint as string | undefined }
    }),
  )
const unavailable = { status: 503, isSoon: true, retryAfter: '1', hint: expect.stringContaining('Try again') }

beforeEach(async () => {
  frail.heal()
  await until(async () => (await start()).status === 200 && (await isUp()))
})

test('requests that are under way when Postgres freezes get their 503 within five seconds', async () => {
  const storm = Array.from({ length: 60 }, () => start)
  const answering = asked([...storm, list, list])
  await start()
  frail.freeze() // in the middle of it
  for (const answer of await answering)
    expect(answer.status === 200 || answer).toEqual(answer.status === 200 || unavailable)
  const later = await asked([start, list, list])
  expect(later).toEqual(later.map(() => unavailable))
  expect(await isUp()).toBe(false)
})

test('the same when it is cut off', async () => {
  frail.cut()
  const answers = await asked([start, start, list])
  expect(answers).toEqual(answers.map(() => unavailable))
})

const cutUntilKnown = async () => {
  frail.cut()
  await until(isAway)
}
/** Connections are lost, the outage is not known yet, and admissions are kept: only the journal is left to refuse. */
const cutJustNow = async () => {
  await pause(150)
  await start()
  frail.cut()
  await pause(20)
}
test.each([
  ['while Postgres was known to be away', cutUntilKnown],
  ['before it was known that Postgres is away', cutJustNow],
])('a run that was refused %s does not begin once it is back', async (_, cut) => {
  await cut()
  const refused = () => startWith('refused')
  const answers = await asked([refused, refused, refused])
  expect(answers).toEqual(answers.map(() => unavailable))
  frail.heal()
  await until(isUp)
  expect((await start()).status).toBe(200)
  const database = openDatabase(created.url, { connections: 1 })
  // Not all runs: one of a test before, whose answer was lost, may be written late.
  const begun = await database.query<{ init_params: string }>('select init_params from runs')
  expect(begun.map(({ init_params }) => JSON.parse(init_params).text)).toContain('hello')
  expect(begun.filter(({ init_params }) => init_params.includes('refused'))).toEqual([])
  await database.close()
})

test('a primary that becomes read-only answers reads, and 503 to what writes', async () => {
  const database = openDatabase(created.url, { connections: 1 })
  const name = new URL(created.url).pathname.slice(1)
  const setReadOnly = async (value: 'on' | 'off') => {
    await database.query('set default_transaction_read_only = off')
    await database.query(`alter database ${name} set default_transaction_read_only = ${value}`)
    await database.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    )
  }
  await setReadOnly('on')
  const answers = await asked([start, start])
  expect(answers).toEqual(answers.map(() => unavailable))
  await until(async () => !(await isUp()))
  const [known] = await asked([start])
  expect(known?.hint).toContain('failover')
  expect((await list()).status).toBe(200)
  await setReadOnly('off')
  await until(isUp)
  expect((await start()).status).toBe(200)
  await database.close()
})
