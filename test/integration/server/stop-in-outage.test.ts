import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { openDatabase } from '../../../src/store/database/database.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'
import { type FrailDatabase, openFrailDatabase } from '../../frail-database.ts'
import { callJetty, killJetties, startJetty } from '../../jetty-process.ts'

const drainSeconds = 3
/** What a busy machine may add to that. Without the drain time a stop would wait for the nap of 50 s. */
const moreSeconds = 25
const token = 'admin-that-stops-in-an-outage'

let folder: string
let created: TestDatabase
let frail: FrailDatabase
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'jetty-stops-'))
  created = await createTestDatabase()
  frail = await openFrailDatabase(created.url)
})
afterEach(async () => {
  frail.heal()
  await killJetties()
})
afterAll(async () => {
  await frail?.close()
  await created?.drop()
  rmSync(folder, { recursive: true, force: true })
})

const setReadOnly = async (value: 'on' | 'off') => {
  const database = openDatabase(created.url, { connections: 1 })
  await database.query('set default_transaction_read_only = off')
  const name = new URL(created.url).pathname.slice(1)
  await database.query(`alter database ${name} set default_transaction_read_only = ${value}`)
  await database.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  )
  await database.close()
}

const outages: Record<string, () => unknown> = {
  'is frozen': () => frail.freeze(),
  'is gone': () => frail.cut(),
  'has become read-only': () => setReadOnly('on'),
}

test.each(Object.keys(outages))('SIGTERM is answered within the drain time while the database %s', async (how) => {
  const jetty = startJetty({
    DATABASE_URL: frail.url,
    JETTY_DATA_DIR: join(folder, 'data'),
    JETTY_ADMIN_TOKEN: token,
    JETTY_DRAIN_SECONDS: String(drainSeconds),
  })
  const { url } = await jetty.ready
  const workflow = { init_params: {}, step_configs: { nap: { activity: 'sleep', seconds: 50 } }, steps: ['nap'] }
  await callJetty(url, token, 'POST', '/collections', { name: 'acme' })
  await callJetty(url, token, 'POST', '/tasks/acme', { name: 'nap', workflow })
  expect((await callJetty(url, token, 'POST', '/run/acme/nap', {})).status).toBe(200)
  await outages[how]?.()
  const call = callJetty(url, token, 'POST', '/run/acme/nap', {}).catch(() => ({ status: 0 })) // something is under way
  const begun = performance.now()
  expect(await jetty.stop()).toBe(0)
  expect((performance.now() - begun) / 1000).toBeLessThan(drainSeconds + moreSeconds)
  await call
  if (how === 'has become read-only') await setReadOnly('off')
})
