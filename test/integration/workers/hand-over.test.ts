import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../../src/database/database.ts'
import { handOver } from '../../../src/engine/leases/dbos.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

let created: TestDatabase
let database: Database
beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.url, { connections: 1 })
})
afterAll(async () => {
  await database?.close()
  await created?.drop()
})

/** Leases of a process that has died: one that asks for no labels, and two that do. */
const dead = async (executor: string): Promise<void> => {
  for (const [id, runsOn] of [
    ['plain', null],
    ['gpu', 'gpu'],
    ['both', 'eu,gpu'],
  ]) {
    const lease = `${executor}:${id}`
    await database.query('insert into leases (id, epoch, owner, runs_on) values ($1, 1, $2, $3)', [
      lease,
      executor,
      runsOn,
    ])
    await database.query(
      `insert into lease_status (workflow_uuid, status, name, executor_id) values ($1, 'PENDING', 'lease', $2)`,
      [lease, executor],
    )
  }
}

const owned = async (executor: string): Promise<string[]> => {
  const rows = await database.query<{ id: string }>('select id from leases where owner = $1 order by id', [executor])
  return rows.map(({ id }) => id.slice(executor.length + 1))
}

it.each([
  ['no', [], ['plain']],
  ['one of the', ['gpu'], ['gpu', 'plain']],
  ['all', ['eu', 'gpu', 'eu,gpu'], ['both', 'gpu', 'plain']],
])('a process that starts again with %s labels gives away the leases that it may not have', async (_, labels, kept) => {
  const executor = `process-${labels.length}`
  await dead(executor)
  expect(await handOver(database, executor, true, labels)).toBe(3 - kept.length)
  expect(await owned(executor)).toEqual(kept)
})

it('a process that stops gives all of them away', async () => {
  await dead('stopping')
  expect(await handOver(database, 'stopping', true)).toBe(3)
  expect(await owned('stopping')).toEqual([])
})
