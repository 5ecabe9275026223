import pg from 'pg'

const tasks = 50
/** Every this many runs one has failed. */
const failedEvery = 50

/**
 * Makes collections with so many ended runs of one step, a second apart, the tasks in turn; the first task may have a
 * share of the runs beside that. Returns their ids. Works over a connection of its own: a statement may take longer than
 * the pool waits.
 */
export const fillCollections = async <Name extends string>(
  url: string,
  sizes: Readonly<Record<Name, number>>,
  { percentOfFirst = 0 } = {},
): Promise<Record<Name, number>> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const ids: Partial<Record<Name, number>> = {}
  for (const name of Object.keys(sizes) as Name[]) ids[name] = await fillOne(client, name, sizes[name], percentOfFirst)
  for (const table of ['runs', 'steps', 'run_spending']) await client.query(`vacuum analyze ${table}`)
  await client.end()
  return ids as Record<Name, number>
}

const fillOne = async (client: pg.Client, name: string, count: number, percentOfFirst: number): Promise<number> => {
  const { rows } = await client.query('insert into collections (name) values ($1) returning id', [name])
  const id = Number(rows[0].id)
  await client.query(`insert into definitions (hash, workflow) values ('none', '{}') on conflict do nothing`)
  await client.query(
    `insert into tasks (collection_id, name, definition) select $1, 't' || n, 'none' from generate_series(0, $2::int - 1) n`,
    [id, tasks],
  )
  const part = 100_000
  for (let from = 0; from < count; from += part) {
    await client.query(
      `with made as (
         insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
           status, error, created_at, started_at, ended_at, cost_usd)
         select $2 || n, $2 || lpad(to_hex(n), 7, '0'), $2 || n, $1, t.id, $2 || '/' || t.name, 'none', '{"text":"hello"}',
           'bench', case when n % $5 = 0 then 'failed' else 'completed' end, case when n % $5 = 0 then 'a needle' end,
           now() - n * interval '1 second', now() - n * interval '1 second',
           now() - n * interval '1 second' + n % 7919 * interval '1 millisecond', (t.id % 100) / 100.0
         from generate_series($3::int + 1, $4::int) n
         join tasks t on t.collection_id = $1 and t.name = 't' || case when n % 100 < $6 then 0 else n % ${tasks} end
         returning id, task_id, created_at, cost_usd),
       spent as (insert into run_spending (run_id, usd) select id, cost_usd from made)
       insert into steps (run_id, task_id, seq, name, status, attempt, inputs, outputs, epoch, started_at, ended_at)
       select id, task_id, 0, 'ask', 'completed', 1, '{"model":"scripted/echo","prompt":"hello"}', '{"text":"hello"}', 1,
         created_at, created_at from made`,
      [id, name, from, Math.min(from + part, count), failedEvery, percentOfFirst],
    )
  }
  return id
}
