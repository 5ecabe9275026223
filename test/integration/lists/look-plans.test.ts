// What each heartbeat asks is answered by the first entry of an index, however many routines and deliveries wait for later.
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { isAnyHookDeliveryDue } from '../../../src/store/hooks.ts'
import { isAnyRoutineDue } from '../../../src/store/routines.ts'
import { isAnyDeliveryDue } from '../../../src/store/webhooks.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

let own: TestDatabase
let database: Database
let client: pg.Client
beforeAll(async () => {
  own = await createTestDatabase()
  database = openDatabase(own.url, { connections: 1 })
  client = await database.connect('look-plans')
  await database.query(`insert into definitions (hash, workflow) values ('d', '{}')`)
  await database.query(`insert into collections (name) values ('acme')`)
  await database.query(`insert into tasks (collection_id, name, definition) select id, 't', 'd' from collections`)
  await database.query(
    `insert into routines (task_id, name, cadence, init_params_overrides, secret_param_keys, paused, overlap, catch_up,
       next_run_at, created_at, updated_at)
     select t.id, 'r' || n, '{}', '{}', '{}', false, 'skip', 'none', now() + interval '1 hour' + n * interval '1 second', now(), now()
     from tasks t, generate_series(1, 5000) n`,
  )
  await database.query(
    `insert into webhook_queue (run_id, collection_id, due_at)
     select 'run' || n, 1, now() + interval '1 hour' + n * interval '1 second' from generate_series(1, 5000) n`,
  )
  await database.query(
    `insert into hooks (collection_id, task_name, name, url_id, sender, disabled, created_at, updated_at)
     select id, 't', 'h', 'h', 'github', false, now(), now() from collections`,
  )
  await database.query(
    `insert into hook_deliveries (hook_id, delivery_id, payload, bytes, state, due_at)
     select h.id, n, '{}', 2, 'waiting', now() + interval '1 hour' + n * interval '1 second'
     from hooks h, generate_series(1, 5000) n`,
  )
  await database.query('analyze')
  // What a prepared statement comes to after some times.
  await client.query('set plan_cache_mode = force_generic_plan')
})
afterAll(async () => {
  await client?.end()
  await database?.close()
  await own?.drop()
})

test.each([
  ['routines', isAnyRoutineDue],
  ['webhook_queue', isAnyDeliveryDue],
  ['hook_deliveries', isAnyHookDeliveryDue],
])('%s', async (table, condition) => {
  await client.query(`prepare look_${table} as select ${condition('$1::timestamptz')} as due`)
  const ask = async (at: string) => (await client.query(`execute look_${table}(${at})`)).rows[0].due
  const plan = JSON.stringify((await client.query(`explain execute look_${table}(now())`)).rows)
  expect(plan).not.toContain(`Seq Scan on ${table}`)
  expect([await ask('now()'), await ask(`now() + interval '2 hours'`)]).toEqual([false, true])
  await database.query(`delete from ${table}`)
  expect(await ask(`now() + interval '2 hours'`)).toBe(false)
})
