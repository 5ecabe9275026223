/** Rows of a query, from whatever connection there is. */
type Ask = (text: string) => Promise<{ what: string }[]>

/** Where the totals that statistics are read from differ from what is in runs and steps, as sentences. */
export const wrongTotals = async (ask: Ask): Promise<string[]> => {
  const rows = await ask(`
    with kept(task_id, of, name, counts) as (
      select task_id, 'run', status, json_build_array(sum(total), sum(ms))::text
      from run_totals group by task_id, status having sum(total) <> 0
      union all
      select task_id, 'duration', concat_ws(' ', day, status, bucket) collate "default", sum(total)::text
      from duration_totals group by task_id, day, status, bucket having sum(total) <> 0
      union all
      select task_id, 'step', step, json_build_array(sum(total), sum(failed), sum(ms))::text
      from step_totals group by task_id, step having sum(total) <> 0
      union all
      select collection_id, key, value collate "default", runs::text from label_values),
    real(task_id, of, name, counts) as (
      select task_id, 'run', status, json_build_array(count(*), sum(elapsed_ms(created_at, ended_at)))::text
      from runs where ended_at is not null group by task_id, status
      union all
      select task_id, 'duration', concat_ws(' ', (ended_at at time zone 'UTC')::date, status,
        duration_bucket(elapsed_ms(created_at, ended_at))), count(*)::text
      from runs where ended_at is not null group by task_id, 3
      union all
      select r.task_id, 'step', c.name, json_build_array(count(*), count(*) filter (where s.status = 'failed'),
        sum(elapsed_ms(s.started_at, s.ended_at)))::text
      from steps s join runs r on r.id = s.run_id
        cross join lateral (select case when s.turn is null then s.name else regexp_replace(s.name, '__[0-9]+$', '') end) c(name)
      where s.ended_at is not null and s.origin is null and s.status <> 'skipped' group by r.task_id, c.name
      union all
      select collection_id, key, left(value, 200), count(*)::text
      from labels where key in ('user', 'session') and value <> '' group by 1, 2, 3)
    select format('task %s, %s %s: kept %s, there are %s', task_id, of, name, kept.counts, real.counts) what
    from kept full join real using (task_id, of, name) where kept.counts is distinct from real.counts order by 1`)
  return rows.map((row) => row.what)
}
