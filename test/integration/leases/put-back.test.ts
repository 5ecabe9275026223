// Leases that go back on the queue: of processes that stop, that died, that lost a label, or were only paused.
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import {
  dropEndedLeases,
  queueLeasesOfDead,
  queuesFor,
  reclaimLeases,
  releaseLeases,
  takeLeases,
  tidyLeases,
} from '../../../src/engine/leases/lease-queue.ts'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

let created: TestDatabase
let database: Database
beforeAll(async () => {
  created = await createTestDatabase()
  database = openDatabase(created.url, { connections: 2 })
})
afterAll(async () => {
  await database?.close()
  await created?.drop()
})
beforeEach(async () => {
  await database.query('truncate leases, queued_leases, executors; delete from runs')
  await database.query(`insert into executors (id) values ('me'), ('peer')`)
})

/** A lease of a process, with an open run, or with one that has ended. */
const lease = async (id: string, owner: string, { runsOn = null as string | null, isOpen = true } = {}) => {
  await database.query('insert into leases (id, epoch, owner, runs_on) values ($1, 4, $2, $3)', [id, owner, runsOn])
  await database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, author, status, lease,
       runs_on, ended_at)
     values ($1, $1, $1, 1, 1, 'a/b', 'x', 'test', 'running', $1, $2, case when $3 then null else now() end)`,
    [id, runsOn, isOpen],
  )
}
const leases = () =>
  database.query<{ id: string; epoch: number; owner: string; queued: string | null }>(
    `select l.id, epoch, owner, q.placement as queued from leases l left join queued_leases q using (id) order by id`,
  )

it('a process that stops gives away all of its leases, with a new epoch, and deletes those that have ended', async () => {
  await lease('a', 'me')
  await lease('b', 'me', { runsOn: 'gpu' })
  await lease('c', 'me', { isOpen: false })
  await lease('d', 'peer')
  expect(await releaseLeases(database, 'me')).toBe(2)
  expect(await leases()).toEqual([
    { id: 'a', epoch: 5, owner: '', queued: '' },
    { id: 'b', epoch: 5, owner: '', queued: 'gpu' },
    { id: 'd', epoch: 4, owner: 'peer', queued: null },
  ])
})

it.each([
  { labels: [], given: ['both', 'gpu'] },
  { labels: ['gpu'], given: ['both'] },
  { labels: ['eu', 'gpu'], given: [] },
])('a process that starts again with the labels $labels gives away $given', async ({ labels, given }) => {
  await lease('any', 'me')
  await lease('gpu', 'me', { runsOn: 'gpu' })
  await lease('both', 'me', { runsOn: 'eu,gpu' })
  expect(await releaseLeases(database, 'me', queuesFor(labels))).toBe(given.length)
  expect((await leases()).filter(({ owner }) => owner === '').map(({ id }) => id)).toEqual(given)
})

it('leases of a dead process are queued as they are, and the next owner hears whose they were', async () => {
  await lease('a', 'dead')
  await lease('b', 'dead', { isOpen: false })
  expect(await queueLeasesOfDead(database, 'dead')).toBe(1)
  expect(await queueLeasesOfDead(database, 'dead')).toBe(0)
  expect(await leases()).toEqual([{ id: 'a', epoch: 4, owner: 'dead', queued: '' }])
  expect(await takeLeases(database, 'me', [''], 3)).toEqual([
    { id: 'a', epoch: 5, share: null, halted: false, former_owner: 'dead' },
  ])
  expect(await leases()).toEqual([{ id: 'a', epoch: 5, owner: 'me', queued: null }])
})

it('a process that was only paused reclaims what nobody has taken, and takes none of it for new', async () => {
  await lease('a', 'me')
  await lease('b', 'me')
  await queueLeasesOfDead(database, 'me')
  expect(await takeLeases(database, 'me', [''], 3)).toEqual([])
  expect(await takeLeases(database, 'peer', [''], 1)).toMatchObject([{ id: 'a', epoch: 5 }])
  await reclaimLeases(database, 'me', ['a', 'b'])
  expect(await leases()).toEqual([
    { id: 'a', epoch: 5, owner: 'peer', queued: null },
    { id: 'b', epoch: 4, owner: 'me', queued: null },
  ])
})

it('tidying leaves alone what is held, and queues what this process or one that is gone does not know of', async () => {
  for (const [id, owner] of [
    ['held', 'me'],
    ['stray', 'me'],
    ['gone', 'unknown'],
    ['theirs', 'peer'],
  ] as const)
    await lease(id, owner)
  await lease('me:young', 'me')
  await lease('ended', 'me', { isOpen: false })
  expect(await tidyLeases(database, 'me', ['held'])).toMatchObject({ queued: 2, deleted: 1, more: false })
  expect(await leases()).toEqual([
    { id: 'gone', epoch: 4, owner: 'unknown', queued: '' },
    { id: 'held', epoch: 4, owner: 'me', queued: null },
    { id: 'me:young', epoch: 4, owner: 'me', queued: null },
    { id: 'stray', epoch: 5, owner: '', queued: '' },
    { id: 'theirs', epoch: 4, owner: 'peer', queued: null },
  ])
  await database.query(`update leases set opened_at = now() - interval '1 minute'`)
  expect(await tidyLeases(database, 'me', ['held'])).toMatchObject({ queued: 1, deleted: 0 })
})

it('a stray lease that a peer has queued is not lost where this process is the only one left', async () => {
  await lease('stray', 'me')
  await queueLeasesOfDead(database, 'me')
  await tidyLeases(database, 'me', [])
  expect(await takeLeases(database, 'me', [''], 1)).toMatchObject([{ id: 'stray', epoch: 6, former_owner: '' }])
})

it('queued leases without open runs go, also where no process has their labels', async () => {
  await lease('open', '', { runsOn: 'mars' })
  await lease('ended', '', { runsOn: 'mars', isOpen: false })
  await database.query(`select enqueue_lease(id, 1, 'mars') from leases`)
  expect(await dropEndedLeases(database, '')).toBe('')
  expect(await leases()).toEqual([{ id: 'open', epoch: 4, owner: '', queued: 'mars' }])
})

it('an entry without a lease is removed by who comes across it', async () => {
  await database.query(`select enqueue_lease('none', 1, null)`)
  expect(await takeLeases(database, 'me', [''], 3)).toEqual([])
  expect(await database.query('select from queued_leases')).toEqual([])
})

it('a run that is written while its lease is taken from a dead process is not overlooked', async () => {
  await lease('a', 'dead', { isOpen: false })
  let done: Promise<number> | undefined
  await database.transaction(async (queries) => {
    await queries.query(`select from leases where id = 'a' for share`)
    done = queueLeasesOfDead(database, 'dead') // waits for the lock
    const waits = `select from pg_locks where not granted and locktype in ('transactionid', 'tuple')`
    while ((await queries.query(waits)).length === 0) {}
    await queries.query(`update runs set ended_at = null where id = 'a'`)
  })
  expect(await done).toBe(1)
  expect(await leases()).toMatchObject([{ id: 'a', queued: '' }])
})
