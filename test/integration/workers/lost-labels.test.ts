// What a process gives back at its start, because it has lost a label since: the leases that ask for it, and no others.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { handOver } from '../../../src/engine/leases/dbos.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

let made: TestDatabase
let database: Database
beforeAll(async () => {
  made = await createTestDatabase()
  database = openDatabase(made.url, { connections: 1 })
})
afterAll(async () => {
  await database?.close()
  await made?.drop()
})

it.each([
  { placements: [], given: ['gpu', 'eu,gpu'], kept: ['any'] },
  { placements: ['gpu'], given: ['eu,gpu'], kept: ['any', 'gpu'] },
  { placements: ['eu', 'gpu', 'eu,gpu'], given: [], kept: ['any', 'gpu', 'eu,gpu'] },
])('with $placements these are given back: $given', async ({ placements, given, kept }) => {
  await database.query('truncate leases')
  await database.query('delete from lease_status')
  await database.query(
    `insert into leases (id, epoch, owner, runs_on)
     select id, 1, 'local', nullif(id, 'any') from unnest($1::text[]) u(id)`,
    [[...given, ...kept]],
  )
  await database.query(
    `insert into lease_status (workflow_uuid, name, status, executor_id, created_at, updated_at)
     select id, 'lease', 'PENDING', 'local', 0, 0 from leases`,
  )
  expect(await handOver(database, 'local', true, placements)).toBe(given.length)
  const owned = await database.query<{ id: string }>(`select id from leases where owner = 'local'`)
  expect(owned.map(({ id }) => id).sort()).toEqual([...kept].sort())
})
