// How far a batch is must be quick to say, however many runs it has.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Database, openDatabase } from '../../../src/store/database/database.ts'
import { batchErrors, batchProgress, batchRuns } from '../../../src/store/tasks/batches.ts'
import { createTestDatabase, type TestDatabase } from '../../database.ts'

const size = 20_000
let own: TestDatabase
let database: Database
beforeAll(async () => {
  own = await createTestDatabase()
  database = openDatabase(own.url, { connections: 1 })
  // Whoever analyses a table meanwhile keeps VACUUM from seeing that all of it is visible: more is read then.
  await database.query('alter table runs set (autovacuum_enabled = off)')
  await database.query('alter table run_spending set (autovacuum_enabled = off)')
  await fill('one', size)
  await fill('bad', size)
  await database.query("update runs set status = 'failed', ended_at = now() where parent_id = 'bad'")
  for (let other = 0; other < 40; other++) await fill(`other-${other}`, 200)
  await database.query(
    `insert into run_spending (run_id, usd) select id, 0.001 from runs
     union all select 'one/0/5/0/0', 1 union all select 'one/1/0', 7 union all select 'one', 7 union all select 'on', 7`,
  )
  await database.query('vacuum analyze runs, run_spending')
}, 180_000)
afterAll(async () => {
  await database?.close()
  await own?.drop()
})

/** Every hundredth of its runs has failed, some were cancelled or archived, the last ones are still open. */
const fill = (batch: string, runs: number) =>
  database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       parent_id, parent_seq, child_index, started_at, status, error, ended_at)
     select $1 || '/0/' || n, md5($1 || '/' || n), 'w', 1, 1, 'acme/x', repeat('h', 64), '{"text":"' || repeat('x', 200) || '"}',
       'admin', $1, 0, n, now(), s.status, case when s.status = 'failed' then 'no ' || n end,
       case when s.status not in ('pending', 'running') then now() end
     from generate_series(0, $2::int - 1) n cross join lateral (select case
       when n >= $2 - 5 then 'running' when n >= $2 - 15 then 'pending' when n % 100 = 0 then 'failed'
       when n % 1000 = 1 then 'cancelled' when n % 1000 = 2 then 'archived' else 'completed' end as status) s`,
    [batch, runs],
  )

/** Rows of runs and their costs that were read meanwhile. */
const readBy = async (work: () => Promise<unknown>): Promise<number> => {
  const total = async () => {
    await database.query('select pg_stat_force_next_flush()')
    const [row] = await database.query<{ read: number }>(
      `select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int as read from pg_stat_user_tables
       where relname in ('runs', 'run_spending')`,
    )
    return row?.read ?? 0
  }
  const before = await total()
  await work()
  return (await total()) - before
}

test('runs are counted by status, with their cost and that of the runs below them', async () => {
  const [one, none] = await batchProgress(database, ['one', 'none'])
  expect(one?.counts).toEqual({
    failed: 200,
    cancelled: 20,
    archived: 20,
    pending: 10,
    running: 5,
    completed: size - 255,
  })
  expect(one?.cost_usd).toBeCloseTo(size * 0.001 + 1, 6)
  expect(none).toEqual({ counts: { completed: 0 }, cost_usd: null })
  expect((await batchErrors(database, 'one')).map(({ index, error }) => [index, error])).toEqual(
    Array.from({ length: 10 }, (_, at) => [at * 100, `no ${at * 100}`]),
  )
})

test('completed runs are not read for it', async () => {
  expect(await readBy(() => batchProgress(database, ['one']))).toBeLessThan(size + 1_000) // the costs, and few runs
  expect(await readBy(() => batchErrors(database, 'one'))).toBeLessThan(500) // those that failed
  expect(await readBy(() => batchErrors(database, 'bad'))).toBeLessThan(500) // the first of many
  expect(await readBy(() => batchRuns(database, { key: 'one', from: 10_000, before: 10_050 }))).toBeLessThan(500)
})
