import { afterAll, beforeAll, expect, test } from 'vitest'
import { pause } from '../../../src/lib/time.ts'
import { openDatabase } from '../../../src/store/database/database.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { startTestServer, type TestServer } from '../../server.ts'

const lines: Record<string, unknown>[] = []
const connections = 11

let created: TestDatabase
let jetty: TestServer
beforeAll(async () => {
  created = await createTestDatabase()
  const url = new URL(created.url)
  jetty = await startTestServer({
    env: {
      DATABASE_URL: url.href,
      JETTY_SLOW_STATEMENT_MS: '250',
      JETTY_DATABASE_CONNECTIONS: String(connections),
    },
    onLog: (line) => lines.push(line),
  })
  await jetty.call('POST', '/api/v1/collections', { name: 'acme' })
})
afterAll(async () => {
  await jetty?.close()
  await created?.drop()
})

const slow = () => lines.filter(({ msg }) => msg === 'a statement of the database was slow')

test('a slow statement is a warning with its name and time, and without its values', async () => {
  await jetty.server.database.rows('made_slow', 'select pg_sleep(0.4), $1::text', ['a-value-of-a-client'])
  await jetty.server.database.query('select pg_sleep(0.4),\n   $1::text', ['a-value-of-a-client'])
  const found = slow().filter(({ statement }) => /slow|sleep/.test(String(statement)))
  expect(found).toEqual([
    expect.objectContaining({ level: 'warn', statement: 'made_slow' }),
    expect.objectContaining({ level: 'warn', statement: 'select pg_sleep(0.4), $1::text' }),
  ])
  expect(Math.min(...found.map(({ ms }) => Number(ms)))).toBeGreaterThanOrEqual(400)
  expect(JSON.stringify(lines)).not.toContain('a-value-of-a-client')
})

test('a process keeps to its number of connections under load', async () => {
  const task = await jetty.task({
    init_params: {},
    step_configs: { a: { activity: 'text_echo', text: 'x' } },
    steps: ['a'],
  })
  const observer = openDatabase(created.url, { connections: 1 })
  let most = 0
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      const [row] = await observer.query<{ n: number }>(
        `select count(*) as n from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
      )
      most = Math.max(most, row?.n ?? 0)
      await pause(5)
    }
  })()
  // A call waits four seconds for a connection, on a machine that has much to do as well.
  const calls = Array.from({ length: 60 }, (_, at) =>
    at % 2
      ? jetty.call('POST', `/api/v1/run/acme/${task}`, new FormData())
      : jetty.call('GET', `/api/v1/db/trajectories/acme/${task}`),
  )
  const answers = await Promise.allSettled(calls)
  isOver = true
  await watching
  await observer.close()
  expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value.status : answer.reason))).toEqual(
    answers.map(() => 200),
  )
  expect(most).toBeGreaterThan(4)
  expect(most).toBeLessThanOrEqual(connections)
})
