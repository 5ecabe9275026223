import { randomInt, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Journal, openJournal } from '../../../src/engine/journal/journal.ts'
import { pause } from '../../../src/lib/time.ts'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { decideApproval, requestApproval } from '../../../src/store/runs/approvals.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

const rounds = 40
const runsEach = 25
const gateSeq = 3

let created: TestDatabase
let database: Database
let journal: Journal

beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.url, { connections: 12 })
  journal = openJournal({ url: created.url, shard: 0, onCommit: () => {} })
})
afterAll(async () => {
  await journal?.close()
  await database?.close()
  await created?.drop()
})

const lease = { id: 'held', epoch: 1 }

const makeRuns = async (): Promise<string[]> => {
  const keys = Array.from({ length: runsEach }, () => randomUUID())
  await database.query(
    `with l as (insert into leases (id, epoch, owner) values ('held', 1, 'a') on conflict do nothing)
     insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       status, lease) select u, u, u, 1, 1, 'c/t', 'd', '{}', 'a', 'running', 'held' from unnest($1::text[]) u`,
    [keys],
  )
  for (const run_id of keys) {
    await requestApproval(database, {
      run_id,
      seq: gateSeq,
      step: 'gate',
      message: 'May it?',
      assignees: '[]',
      metadata: '{}',
      expires_at: null,
      by_default: 'fail',
    })
  }
  return keys
}

it('a decision and a parking at the same time never miss each other, in a thousand rounds', {
  timeout: 120_000,
}, async () => {
  const orders = { decidedFirst: 0, parkedFirst: 0 }
  // How many milliseconds later than its parking a decision is made: follows from how quick this machine is with either.
  let lag = 0
  for (let round = 0; round < rounds; round++) {
    const keys = await makeRuns()
    await Promise.all(
      keys.map(async (runKey) => {
        let parked = false
        const parking = pause(randomInt(0, 4) + Math.max(0, -lag)).then(async () => {
          await journal.add({
            lease,
            owner: { payer: 1, collectionId: 1 },
            park: { runKey, seq: gateSeq, wakeMs: null },
          })
          parked = true
        })
        await pause(randomInt(0, 6) + Math.max(0, lag))
        const made = { runKey, seq: gateSeq, decision: 'approve', comment: null, decidedBy: 'ann' } as const
        const decided = await decideApproval(database, made)
        expect(decided).toMatchObject({ decision: 'approve', decided_by: 'ann' })
        orders[parked ? 'parkedFirst' : 'decidedFirst']++
        await parking
      }),
    )
    const asleep = await database.query(
      'select id, wake_at from runs where id = any($1) and (lease is not null or wake_at is null or wake_at > now())',
      [keys],
    )
    expect(asleep).toEqual([])
    lag += orders.parkedFirst < orders.decidedFirst ? 2 : -2
  }
  // Both orders were met often, or the test shows nothing.
  expect(Math.min(...Object.values(orders))).toBeGreaterThan(100)
})

it('a run that ends at the same moment takes no decision any more', async () => {
  const [runKey = ''] = await makeRuns()
  await journal.add({
    lease,
    owner: { payer: 1, collectionId: 1 },
    end: { runKey, status: 'cancelled', error: null, endedMs: Date.now() },
  })
  const made = { runKey, seq: gateSeq, decision: 'approve', comment: null, decidedBy: 'ann' } as const
  expect(await decideApproval(database, made)).toBeUndefined()
})
