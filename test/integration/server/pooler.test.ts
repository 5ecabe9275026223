import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { inDatabase } from '../../database-server.ts'
import { openFakePooler } from '../../fakes/pooler.ts'
import { startTestServer } from '../../server.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase({ hasStarted: true })
})
afterAll(() => database?.drop())

/** Connections to a database, without the one that asks. */
const connectionsTo = async (url: string): Promise<number | undefined> => {
  let count: number | undefined
  await inDatabase(url, async (asked) => {
    const [row] = await asked.query<{ count: number }>(
      'select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
    )
    count = row?.count
  })
  return count
}

test('an idle server has few connections, and works behind a pooler that gives out sessions and refuses startup parameters', async () => {
  const pooler = await openFakePooler(database.url, 'session')
  const jetty = await startTestServer({ env: { DATABASE_URL: pooler.url } })
  try {
    // The pool has at most eight, one listens, and one is the engine's own.
    expect(await connectionsTo(database.url)).toBeLessThanOrEqual(10)
    await jetty.call('POST', '/api/v1/collections', { name: 'acme' })
    const echo = { a: { activity: 'text_echo', text: 'through the pooler' } }
    const run = await jetty.run({ init_params: {}, step_configs: echo, steps: ['a'] })
    expect([run.status, run.steps.a.outputs.text]).toEqual(['completed', 'through the pooler'])
  } finally {
    await jetty.close()
    await pooler.close()
  }
})

test('one that shares server processes between statements is refused at the start, with what to change', async () => {
  const pooler = await openFakePooler(database.url, 'transaction')
  await expect(startTestServer({ env: { DATABASE_URL: pooler.url } })).rejects.toMatchObject({
    message: 'DATABASE_URL points at a connection pooler that does not support sessions',
    hint: expect.stringContaining('pool_mode = session'),
  })
  await pooler.close()
})

test('a parameter in DATABASE_URL that the pooler refuses is named, with what to change', async () => {
  const pooler = await openFakePooler(database.url, 'session')
  const url = `${pooler.url}?options=-c%20jit=off`
  await expect(startTestServer({ env: { DATABASE_URL: url } })).rejects.toMatchObject({
    code: 'database_unavailable',
    message: expect.stringContaining('unsupported startup parameter: options'),
    hint: expect.stringContaining('ignore_startup_parameters'),
  })
  await pooler.close()
})
