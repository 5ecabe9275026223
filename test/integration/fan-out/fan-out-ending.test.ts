// Child runs that a worker claims after the top of their tree was asked to end, and before the sweep has marked them.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { act, does, forget, seen } from '../runs/acting.ts'

let api: TestServer
let worker: TestServer | undefined
let database: Database

beforeAll(async () => {
  api = await startTestServer({ activities: [act], env: { JETTY_ROLE: 'api' } })
  database = openDatabase(api.database.url, { connections: 1 })
})
afterAll(async () => {
  await worker?.close()
  await database.close()
  await api.close()
})

it('begins nothing of a tree that is to end', async () => {
  forget()
  const leaf = await api.task({ step_configs: { late: does({ give: 'late' }) }, steps: ['late'] })
  const top = await api.task({ step_configs: { work: does({ give: 'top' }) }, steps: ['work'] })
  const { trajectory_id: root } = await api.start(top)
  const { trajectory_id: child } = await api.start(leaf)
  await database.query(
    `update runs c set id = p.id || '/0/0', parent_id = p.id, parent_seq = 0, child_index = 0, depth = 1
     from runs p where p.trajectory_id = $1 and c.trajectory_id = $2`,
    [root, child],
  )
  await database.query(`update runs set requested_status = 'cancelled' where trajectory_id = $1`, [root])
  worker = await startTestServer({ activities: [act], env: { JETTY_ROLE: 'worker' }, beside: api })
  const ended = await api.until(leaf, child, ({ status }) => status !== 'pending' && status !== 'running')
  expect(ended.status).toBe('cancelled')
  expect(seen.effects).not.toContain('late')
})
