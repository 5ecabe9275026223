import type { Database } from '../../src/store/database/database.ts'

/** How many steps a run of a filled task has. */
export const stepsOfRun = 3

/** Every this many runs one of them has the rare label, routine, status and text. */
export const rareEvery = 50

/**
 * Ended runs of a task with steps, labels and totals, a second apart, as the engine would have left them. Most runs are
 * completed and of good quality; a few failed, are labelled rare, come from routine 7 and speak of a needle.
 */
export const fillTask = async (database: Database, task: string, runs: number, definition: string): Promise<number> => {
  const [row] = await database.query<{ id: number; collection_id: number }>(
    'select id, collection_id from tasks where name = $1',
    [task],
  )
  if (!row) throw new Error(`There is no task ${task}`)
  await database.query(
    `insert into runs (id, trajectory_id, workflow_id, collection_id, task_id, name, definition, init_params, author,
       status, error, routine_id, created_at, started_at, ended_at)
     select $1 || n, $1 || lpad(to_hex(n), 7, '0'), $1 || n, $2, $3, 'demo/' || $4, $5, '{"text":"hello"}', 'bench',
       case when n % $7 = 0 then 'failed' else 'completed' end, case when n % $7 = 0 then 'a needle' end,
       case when n % $7 = 0 then 7 end, now() - n * interval '1 second', now() - n * interval '1 second',
       now() - n * interval '1 second' + n % 1000 * interval '10 milliseconds'
     from generate_series(1, $6::int) n`,
    [task[0], row.collection_id, row.id, task, definition, runs, rareEvery],
  )
  await database.query(
    `insert into steps (run_id, task_id, seq, name, status, attempt, inputs, outputs, epoch, started_at, ended_at)
     select r.id, r.task_id, s, 'echo_' || s, 'completed', 1, '{"text":"hello"}', '{"text":"hello"}', 1, r.started_at,
       r.ended_at
     from runs r, generate_series(0, $2::int) s where r.task_id = $1`,
    [row.id, stepsOfRun - 1],
  )
  await database.query(
    `insert into labels (run_id, task_id, collection_id, key, author, value, run_created_at, run_number)
     select r.id, r.task_id, r.collection_id, k.key, 'bench', k.value, r.created_at, r.number
     from runs r cross join lateral (
       values ('quality', case when r.number % 3 = 0 then 'low' else 'high' end), ('rare', 'yes')) k(key, value)
     where r.task_id = $1 and (k.key = 'quality' or r.status = 'failed')`,
    [row.id],
  )
  await countFilled(database, row.id, runs)
  return row.id
}

const countFilled = async (database: Database, taskId: number, runs: number): Promise<void> => {
  await database.query('insert into run_counts (task_id, shard, total) values ($1, 0, $2)', [taskId, runs])
  await database.query(
    `with ended as (select status, ended_at, elapsed_ms(created_at, ended_at) ms from runs where task_id = $1),
       d as (insert into duration_totals (task_id, day, shard, status, bucket, total)
         select $1, (ended_at at time zone 'UTC')::date, 0, status, duration_bucket(ms), count(*) from ended group by 2, 4, 5),
       s as (insert into step_totals (task_id, step, shard, seq, total, failed, ms)
         select task_id, name, 0, min(seq), count(*), 0, sum(elapsed_ms(started_at, ended_at))
         from steps where task_id = $1 group by task_id, name),
       l as (insert into label_counts (task_id, key, value_md5, value, total)
         select task_id, key, md5(value), value, count(*) from labels where task_id = $1 group by task_id, key, value)
     insert into run_totals (task_id, shard, status, total, ms, min_ms, max_ms)
     select $1, 0, status, count(*), sum(ms), min(ms), max(ms) from ended group by status`,
    [taskId],
  )
}
