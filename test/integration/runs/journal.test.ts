import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Journal, openJournal } from '../../../src/engine/journal/journal.ts'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

let created: TestDatabase
let database: Database
let journal: Journal
beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.url, { connections: 1 })
  journal = openJournal({ url: created.url, shard: 0, onCommit: () => {} })
})
afterAll(async () => {
  await journal?.close()
  await database?.close()
  await created?.drop()
})

test('a parking that is sent again does not put a run to sleep that has been woken since', async () => {
  await database.query(
    `with l as (insert into leases (id, epoch, owner) values ('first', 1, 'a'), ('second', 1, 'b'))
     insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       status, lease) values ('run', '00000001', 'w', 1, 1, 'c/t', 'd', '{}', 'a', 'running', 'first')`,
  )
  const leaseNow = async () => (await database.query<{ lease: string | null }>('select lease from runs'))[0]?.lease
  const entry = {
    lease: { id: 'first', epoch: 1 },
    owner: { payer: 1, collectionId: 1 },
    park: { runKey: 'run', seq: 0, wakeMs: Date.now() },
  }
  await journal.add(entry)
  expect(await leaseNow()).toBeNull()
  await database.query("update runs set lease = 'second'")
  await journal.add(entry) // as after a lost connection, when the answer to the first one did not arrive
  expect(await leaseNow()).toBe('second')
})
