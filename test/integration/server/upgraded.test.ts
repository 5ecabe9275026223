// Two versions on one database: a newer one does not change the schema under an older one, and one under which it was
// changed accepts nothing any more.
import { afterEach, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { migrate } from '../../../src/store/database/migrate.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { act, does } from '../runs/acting.ts'

let jetty: TestServer | undefined
let database: Database | undefined
const start = async (env: Record<string, string> = {}) => {
  jetty = await startTestServer({ activities: [act], env: { JETTY_DRAIN_SECONDS: '0', ...env } })
  database = openDatabase(jetty.database.url, { connections: 2 })
  return { jetty, database }
}
afterEach(async () => {
  await database?.close()
  await jetty?.close()
  jetty = database = undefined
})

/** Makes the database one of the version before. Its last migration can be applied again. */
const forgetLast = (queries: Database) =>
  queries.query(`delete from schema_migrations where name = '0186_no_lease_library'`)

test.each(['all', 'api'])(
  'a migration waits for a running process of the version before (role %s), and says so',
  async (role) => {
    const { database } = await start({ JETTY_ROLE: role })
    await forgetLast(database)
    await expect(migrate(database, { outwaitMs: 1_000 })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/^Processes of another version use the database, which has to be migrated: .+/),
      hint: expect.stringContaining('0186_no_lease_library'),
    })
  },
)

test('it is applied once that process has stopped', async () => {
  const { jetty: server, database } = await start()
  await forgetLast(database)
  const other = openDatabase(server.database.url, { connections: 2 })
  const done = migrate(other)
  await server.server.close()
  await done
  expect(await other.query(`select from schema_migrations where name = '0186_no_lease_library'`)).toHaveLength(1)
  await other.close()
})

test('a process whose schema was changed gives its runs away, accepts none, and says why it is not ready', async () => {
  const { jetty: server, database } = await start()
  const task = await server.task({ step_configs: { work: does({ gate: 'never' }) }, steps: ['work'] })
  await server.start(task)
  const leases = () =>
    database.query('select owner, q.id is not null as queued from leases left join queued_leases q using (id)')
  await expect.poll(leases).toMatchObject([{ owner: expect.stringMatching(/.+/), queued: false }])
  await database.query(`insert into schema_migrations (name) values ('9999_future')`)
  const ready = () => server.call('GET', '/ready')
  await expect.poll(async () => (await ready()).status, { timeout: 20_000 }).toBe(503)
  expect((await ready()).body).toMatchObject({
    database: 'upgraded',
    writable: false,
    reason: expect.stringMatching(/upgraded by a newer Jetty: it has 9999_future.*Start this process again/),
  })
  await expect.poll(leases, { timeout: 20_000 }).toEqual([{ owner: '', queued: true }])
  expect((await server.call('POST', `/api/v1/run/acme/${task}`, new FormData())).status).toBe(503)
  await expect.poll(async () => (await server.call('GET', '/api/v1/tasks/acme')).status, { timeout: 20_000 }).toBe(503)
  expect(await database.query('select from executors')).toEqual([])
})
