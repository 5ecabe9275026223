import { wrongTotals } from '../../kept-totals.ts'
import type { Site } from './site.ts'

/** What belongs to a run, a task or a collection, and by which columns one finds out that its owner is gone. */
const owned = [
  ['runs', 'collection_id', 'collections', 'id'],
  ['steps', 'run_id', 'runs', 'id'],
  ['payloads', 'run_id', 'runs', 'id'],
  ['labels', 'run_id', 'runs', 'id'],
  ['files', 'collection_id', 'collections', 'id'],
  ['uploads', 'collection_id', 'collections', 'id'],
  ['label_counts', 'task_id', 'runs', 'task_id'],
  ['run_counts', 'task_id', 'runs', 'task_id'],
  ['run_totals', 'task_id', 'runs', 'task_id'],
  ['duration_totals', 'task_id', 'runs', 'task_id'],
  ['step_totals', 'task_id', 'runs', 'task_id'],
] as const

/** Rows whose owner is gone, as sentences. */
const orphans = async (site: Site): Promise<string[]> => {
  const parts = owned.map(
    ([table, column, owner, key]) => `select format('%s of %s without %s', '${table}', ${column}, '${owner}') what
      from ${table} t where not exists (select from ${owner} o where o.${key} = t.${column}) group by ${column}`,
  )
  return (await site.rows<{ what: string }>(parts.join('\nunion all\n'))).map((row) => row.what)
}

/** Counts of runs and of labels that are not those of the rows they count, as sentences. */
const wrongCounts = async (site: Site): Promise<string[]> => {
  const rows = await site.rows<{ what: string }>(`
    with kept(of, task_id, name, total) as (
      select 'runs', task_id, '', sum(total) from run_counts group by task_id having sum(total) <> 0
      union all select 'labels', task_id, key || '=' || value, total from label_counts),
    real(of, task_id, name, total) as (
      select 'runs', task_id, '', count(*) from runs group by task_id
      union all select 'labels', task_id, key || '=' || value, count(*) from labels group by task_id, key, value)
    select format('%s %s of task %s: kept %s, there are %s', of, name, task_id, kept.total, real.total) what
    from kept full join real using (of, task_id, name) where kept.total is distinct from real.total`)
  return rows.map((row) => row.what)
}

/** Whatever of the kept numbers and of the rows does not fit together, and whether anybody ran in a circle. */
export const inconsistencies = async (site: Site): Promise<string[]> => {
  const [row] = await site.rows<{ deadlocks: number }>(
    'select deadlocks::int from pg_stat_database where datname = current_database()',
  )
  return [
    ...(await orphans(site)),
    ...(await wrongCounts(site)),
    ...(await wrongTotals((text) => site.rows(text))),
    ...(row?.deadlocks ? [`Postgres had to end ${row.deadlocks} deadlocks`] : []),
  ]
}
