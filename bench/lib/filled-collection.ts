import pg from 'pg'
import type { Database } from '../../src/database/database.ts'

const tasks = 50
/** Every this many runs one has failed. */
const failedEvery = 50

/** A collection with so many ended runs of one step, a second apart, the tasks in turn. */
export const fillCollection = async (database: Database, name: string, count: number): Promise<number> => {
  const [row] = await database.query<{ id: number }>('insert into collections (name) values ($1) returning id', [name])
  const id = row?.id ?? 0
  await database.query(`insert into definitions (hash, workflow) values ('none', '{}') on conflict do nothing`)
  await database.query(
    `insert into tasks (collection_id, name, definition) select $1, 't' || n, 'none' from generate_series(0, $2::int - 1) n`,
    [id, tasks],
  )
  const part = 20_000 // a statement of 100,000 has taken longer than the timeout of the pool, 30 s
  for (let from = 0; from < count; from += part) {
    await database.query(
      `with made as (
         insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
           status, error, created_at, started_at, ended_at)
         select $2 || n, $2 || lpad(to_hex(n), 7, '0'), $2 || n, $1, t.id, $2 || '/' || t.name, 'none', '{"text":"hello"}',
           'bench', case when n % $5 = 0 then 'failed' else 'completed' end, case when n % $5 = 0 then 'a needle' end,
           now() - n * interval '1 second', now() - n * interval '1 second', now() - n * interval '1 second'
         from generate_series($3::int + 1, $4::int) n
         join tasks t on t.collection_id = $1 and t.name = 't' || n % ${tasks}
         returning id, task_id, created_at),
       spent as (insert into run_spending (run_id, usd) select id, (task_id % 100) / 100.0 from made)
       insert into steps (run_id, task_id, seq, name, status, attempt, inputs, outputs, epoch, started_at, ended_at)
       select id, task_id, 0, 'ask', 'completed', 1, '{"model":"scripted/echo","prompt":"hello"}', '{"text":"hello"}', 1,
         created_at, created_at from made`,
      [id, name, from, Math.min(from + part, count), failedEvery],
    )
  }
  return id
}

/** Vacuums what `fillCollection` has filled, over a connection of its own: a million rows may take minutes. */
export const vacuumFilled = async (url: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  for (const table of ['runs', 'steps', 'run_spending']) await client.query(`vacuum analyze ${table}`)
  await client.end()
}
