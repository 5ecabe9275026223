// Statements that write and were under way when their process was killed: repeated only if they say that they may be.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { pause } from '../../src/lib/time.ts'
import { type Database, openDatabase } from '../../src/store/database/database.ts'
import { createTestDatabase, overTcp, type TestDatabase } from '../database.ts'
import { callJetty, type JettyProcess, killJetties, startJetty } from '../jetty-process.ts'
import type { Body } from '../server.ts'

const token = 'admin-token-of-the-sql-test'
let database: TestDatabase
let warehouse: TestDatabase
/** The connection that holds the lock for which the statements wait. */
let holder: Database
let folder: string

beforeAll(async () => {
  database = await createTestDatabase()
  warehouse = await createTestDatabase()
  holder = openDatabase(warehouse.url, { connections: 1 })
  await holder.query('create table written (name text)')
  folder = mkdtempSync(join(tmpdir(), 'jetty-sql-steps-'))
})
afterAll(async () => {
  await killJetties()
  await holder?.close()
  await warehouse?.drop()
  await database?.drop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

const start = (): JettyProcess =>
  startJetty({
    JETTY_DRAIN_SECONDS: '0',
    DATABASE_URL: database.url,
    JETTY_DATA_DIR: folder,
    JETTY_ADMIN_TOKEN: token,
    JETTY_ALLOW_PRIVATE_NETWORK: new URL(overTcp(warehouse.url)).host,
    HOME: folder,
  })

it('a statement that writes is not repeated after a crash unless it is idempotent, and repeated after a stop', {
  timeout: 240_000,
}, async () => {
  let jetty = start()
  let { url } = (await jetty.ready) as Body
  const call = (method: string, path: string, body?: unknown) => callJetty(url, token, method, path, body)
  const environment_variables = { WAREHOUSE: overTcp(warehouse.url) }
  await call('POST', '/collections', { name: 'acme' })
  await call('PATCH', '/collections/acme/environment', { environment_variables })
  await holder.query('select pg_advisory_lock(7)')
  const ids: Record<string, string> = {}
  for (const name of ['write', 'upsert']) {
    const sql = `insert into written select '${name}' from pg_advisory_xact_lock(7)`
    const step = { activity: 'sql', connection: 'env.WAREHOUSE', read_only: false, idempotent: name === 'upsert', sql }
    await call('POST', '/tasks/acme', { name, workflow: { step_configs: { step }, steps: ['step'] } })
    ids[name] = (await call('POST', `/run/acme/${name}`, {})).body.trajectory_id
  }
  const get = async (name: string): Promise<Body> =>
    (await call('GET', `/db/trajectory/acme/${name}/${ids[name]}`)).body
  const waiting = () => holder.query("select from pg_stat_activity where wait_event = 'advisory'")
  while ((await waiting()).length < 2) await pause(20)
  for (const name of Object.keys(ids)) {
    while ((await get(name)).steps.step?.status !== 'running') await pause(20)
  }
  jetty.child.kill('SIGKILL')
  await jetty.exited
  await holder.query('select pg_advisory_unlock(7)')
  jetty = start()
  url = ((await jetty.ready) as Body).url
  const ended: Record<string, Body> = {}
  for (const name of Object.keys(ids)) {
    while ((await get(name)).ended === null) await pause(50)
    ended[name] = await get(name)
  }
  expect(ended.write).toMatchObject({ status: 'failed', error: expect.stringContaining('may be committed') })
  expect(ended.upsert).toMatchObject({ status: 'completed', steps: { step: { outputs: { affected_rows: 1 } } } })
  expect(await holder.query('select name from written')).toEqual([{ name: 'upsert' }])

  // A server that stops knows that nothing was committed, and says so in the log of the step.
  await holder.query('select pg_advisory_lock(7)')
  ids.write = (await call('POST', '/run/acme/write', {})).body.trajectory_id
  while ((await waiting()).length < 1) await pause(20)
  while ((await get('write')).steps.step?.status !== 'running') await pause(20)
  jetty.child.kill('SIGTERM')
  await jetty.exited
  await holder.query('select pg_advisory_unlock(7)')
  jetty = start()
  url = ((await jetty.ready) as Body).url
  while ((await get('write')).ended === null) await pause(50)
  const repeated = await get('write')
  expect([repeated.status, repeated.error]).toEqual(['completed', null])
  expect(repeated.steps.step).toMatchObject({ attempt: 2, outputs: { affected_rows: 1 } })
  expect(repeated.steps.step.logs[0].message).toContain('its process stopped')
})
