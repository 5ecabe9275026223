// A full queue costs no more than an empty one, also with plans that were made while it was empty.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { dropEndedLeases, isQueued, takeLeases } from '../../../src/engine/leases/lease-queue.ts'
import { type Database, openDatabase, type Queries } from '../../../src/store/database/database.ts'
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

const most = 20_000

const enqueue = (queries: Queries, id: string, collection: number, placement: string | null) =>
  queries.rows('test_enqueue', 'select enqueue_lease($1, $2, $3)', [id, collection, placement])

/** Rows of the queue that this transaction has read so far. */
const rowsRead = async (queries: Queries): Promise<number> => {
  const [read] = await queries.query<{ rows: number }>(
    `select (seq_tup_read + idx_tup_fetch)::int as rows from pg_stat_xact_user_tables where relname = 'queued_leases'`,
  )
  return read?.rows ?? 0
}

it(`with ${2 * most} leases in two queues`, async () => {
  await database.query('analyze queued_leases, leases')
  await database.transaction(async (queries) => {
    const beat = `select ${isQueued(['gpu'])} as queued`
    for (let n = 0; n < 8; n++) {
      await enqueue(queries, `early${n}`, 1, null)
      await takeLeases(queries, 'me', ['', 'gpu'], 3)
      await dropEndedLeases(queries, '')
      await queries.rows('test_beat', beat)
    }
    await queries.query(
      `insert into leases (id, epoch, owner) select 'w' || n, 0, '' from generate_series(1, ${2 * most}) n`,
    )
    await queries.query(
      `insert into queued_leases (id, placement, payer, turn)
       select 'w' || n, case when n <= ${most} then '' else 'mars' end, n % 7, n / 7 from generate_series(1, ${2 * most}) n`,
    )
    const before = await rowsRead(queries)
    await enqueue(queries, 'late', 3, null)
    await enqueue(queries, 'later', 99, null)
    const taken = await takeLeases(queries, 'me', ['', 'gpu'], 3)
    expect(taken.map(({ id }) => id)).toEqual(['w1', 'w2', 'w3'])
    expect((await rowsRead(queries)) - before).toBeLessThan(60)
    const [last] = await queries.query<{ turn: number }>(`select turn from queued_leases where id = 'late'`)
    expect(last?.turn).toBe(Math.floor(most / 7)) // after the last of its collection
    const [first] = await queries.query<{ id: string }>(
      'select id from queued_leases order by turn, number limit 1 offset 3',
    )
    expect(first?.id).toBe('later')
    const between = await rowsRead(queries)
    await dropEndedLeases(queries, '')
    expect((await rowsRead(queries)) - between).toBeLessThan(2_000) // 500 are looked at, and deleted
  })
}, 60_000)
