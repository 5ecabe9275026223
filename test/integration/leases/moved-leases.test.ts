// A database of a version that kept the queue of leases in the tables of a library.
import { readdir } from 'node:fs/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { migrate } from '../../../src/store/database/migrate.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

let created: TestDatabase
let database: Database
let names: string[]
beforeEach(async () => {
  const files = await readdir(new URL('../../../src/store/database/migrations/', import.meta.url))
  names = files.map((file) => file.replace('.sql', '')).sort()
  created = await createTestDatabase()
  database = openDatabase(created.url, { connections: 1 })
  await database.query('drop schema public cascade; create schema public')
  await migrate(database, { only: names.filter((name) => name < '0185') })
})
afterEach(async () => {
  await database?.close()
  await created?.drop()
})

/** The tables, views and functions of the version before, with the columns that matter. */
const makeLibrary = (schema: string, isClaimed: boolean): Promise<unknown> =>
  database.query(`
    create schema ${schema};
    create table ${schema}.workflow_status (workflow_uuid text primary key, name text, status text, executor_id text,
      queue_partition_key text, priority int default 0, created_at bigint);
    create table ${schema}.operation_outputs (workflow_uuid text);
    create view lease_status as select workflow_uuid, name, status from ${schema}.workflow_status;
    create view lease_outputs as select workflow_uuid from ${schema}.operation_outputs;
    create function enqueue_lease(id text, collection text, placement text) returns text language sql as $$ select id $$;
    create function lease_queue(placement text) returns text language sql as $$ select placement $$;
    insert into schema_migrations (name) values ('@dbos-inc/dbos-sdk@5.3.0');
    ${isClaimed ? `create table ${schema}.jetty_installation (schema text); insert into ${schema}.jetty_installation values (current_schema()); insert into server (key, value) values ('engine-schema', '${schema}')` : ''}`)

interface Old {
  id: string
  status: string
  owner?: string
  runsOn?: string
  isOpen?: boolean
  collection?: string
  priority?: number
}

const addLease = async (schema: string, given: Old): Promise<void> => {
  const { id, status, owner = '', runsOn = null, isOpen = true, collection = null, priority = 0 } = given
  await database.query('insert into leases (id, epoch, owner, runs_on) values ($1, 3, $2, $3)', [id, owner, runsOn])
  await database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, author, status, lease,
       ended_at)
     values ($1, $1, $1, 1, 1, 'a/b', 'x', 'test', 'running', $1, case when $2 then null else now() end)`,
    [id, isOpen],
  )
  await database.query(`insert into ${schema}.workflow_status values ($1, 'lease', $2, 'former', $3, $4, 1)`, [
    ...[id, status, collection, priority],
  ])
}

const schemas = async () =>
  (await database.query<{ name: string }>(`select nspname as name from pg_namespace where nspname ~ 'dbos'`)).map(
    ({ name }) => name,
  )

it.each([
  ['dbos', true, []],
  ['other_dbos', true, []],
  ['dbos', false, ['dbos']], // nobody says whose it is
])('leases that waited in %s (claimed: %s) wait in the new queue', async (schema, isClaimed, left) => {
  await makeLibrary(schema, isClaimed)
  const old: Old[] = [
    { id: 'second', status: 'ENQUEUED', collection: '7', priority: 2 },
    { id: 'first', status: 'ENQUEUED', collection: '8', priority: 1 },
    { id: 'labelled', status: 'ENQUEUED', runsOn: 'gpu', collection: '8' },
    { id: 'stranded', status: 'PENDING' },
    { id: 'of-dead', status: 'ENQUEUED', owner: 'dead' },
    { id: 'under-way', status: 'PENDING', owner: 'local' },
    { id: 'ended', status: 'SUCCESS', owner: 'local', isOpen: false },
    { id: 'empty', status: 'ENQUEUED', isOpen: false },
  ]
  for (const one of old) await addLease(schema, one)
  await migrate(database)
  expect(
    await database.query('select id, placement, payer, turn from queued_leases order by placement, turn, id'),
  ).toEqual([
    { id: 'of-dead', placement: '', payer: null, turn: 0 },
    { id: 'stranded', placement: '', payer: null, turn: 0 },
    { id: 'first', placement: '', payer: 8, turn: 1 },
    { id: 'second', placement: '', payer: 7, turn: 2 },
    { id: 'labelled', placement: 'gpu', payer: 8, turn: 0 },
  ])
  const [rows] = await database.query<{ ids: string[] }>('select array_agg(id order by id) as ids from leases')
  expect(rows?.ids).toEqual(['ended', 'first', 'labelled', 'of-dead', 'second', 'stranded', 'under-way'])
  expect(await schemas()).toEqual(left)
  expect(await database.query(`select from server where key = 'engine-schema'`)).toEqual([])
})

it('a schema with workflows of somebody else stays', async () => {
  await makeLibrary('dbos', true)
  await addLease('dbos', { id: 'one', status: 'ENQUEUED' })
  await database.query(
    `insert into dbos.workflow_status (workflow_uuid, name, status) values ('x', 'theirs', 'PENDING')`,
  )
  await migrate(database)
  expect(await schemas()).toEqual(['dbos'])
  expect(await database.query('select id from queued_leases')).toEqual([{ id: 'one' }])
})

it('tables of another installation are left alone', async () => {
  await makeLibrary('dbos', true)
  await addLease('dbos', { id: 'theirs', status: 'ENQUEUED' })
  await database.query(`update dbos.jetty_installation set schema = 'another'`)
  await migrate(database)
  expect(await schemas()).toEqual(['dbos'])
  expect(await database.query('select id from queued_leases')).toEqual([])
})
