// A process has died, and whoever was to hand its leases out again could not: somebody does it later.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { act, does } from '../runs/acting.ts'

let api: TestServer
let worker: TestServer | undefined
let database: Database
beforeAll(async () => {
  api = await startTestServer({ activities: [act], env: { JETTY_ROLE: 'api' } })
  database = openDatabase(api.database.url, { connections: 1 })
})
afterAll(async () => {
  await database?.close()
  await worker?.close()
  await api?.close()
})

it('leases of a dead process are handed out, though the first one who tried has failed', async () => {
  const task = await api.task({ step_configs: { work: does() }, steps: ['work'] })
  const { trajectory_id: id } = await api.start(task)
  const setUp = [
    `update dbos.workflow_status set status = 'PENDING', executor_id = 'dead'`,
    `update leases set owner = 'dead', epoch = 1`,
    'create sequence attempts',
    `create function refuse() returns trigger language plpgsql as
       $$ begin perform nextval('attempts'); raise exception 'not now'; end $$`,
    `create trigger refuse before update on dbos.workflow_status for each row
       when (old.executor_id = 'dead') execute function refuse()`,
    `insert into executors (id, beat_at) values ('dead', now() - interval '1 minute')`,
  ]
  for (const statement of setUp) await database.query(statement)
  worker = await startTestServer({ activities: [act], beside: api })
  const attempts = async () =>
    (await database.query<{ is_called: boolean }>('select is_called from attempts'))[0]?.is_called
  while (!(await attempts())) await new Promise((resolve) => setTimeout(resolve, 100))
  await database.query('drop trigger refuse on dbos.workflow_status')
  const run = await api.until(task, id, ({ ended }) => ended !== null)
  expect(run.status).toBe('completed')
})
