import { json, query, text } from '../../database/table.ts'

/** Maximum number of values shown of a key. */
const mostValues = 20
/** Values are cut to this many characters, and counted together. */
const shownCharacters = 200

/**
 * Lists keys of labels in use in a collection after a key, in the order of the database's collation, with frequent
 * values. Each key is one step in the index of each task.
 */
export const labelKeysOf = query(
  'label_keys_of',
  { key: text, values: json<{ value: string; runs: number }[]>('json') },
  `with recursive t as materialized (
       select id from tasks where collection_id = $1 union all select task_id from former_tasks where collection_id = $1),
     keys(key, place) as (
       select (select min(n.key) from t cross join lateral (
          select key from label_counts where task_id = t.id and key > $2 and total > 0 order by key limit 1) n), 1
       union all
       select (select min(n.key) from t cross join lateral (
          select key from label_counts where task_id = t.id and key > k.key and total > 0 order by key limit 1) n), place + 1
       from keys k where k.key is not null and place < $3)
     select k.key, (
       select coalesce(json_agg(json_build_object('value', v.value, 'runs', v.runs) order by v.runs desc, v.value), '[]')
       from (
         select left(c.value, ${shownCharacters}) as value, sum(c.total)::bigint as runs
         from t cross join lateral (
           select value, total from label_counts where task_id = t.id and key = k.key and total > 0
           order by total desc limit ${mostValues}) c
         group by 1 order by 2 desc, 1 limit ${mostValues}) v) as values
     from keys k where k.key is not null order by k.place`,
  (collectionId: number, page: { after: string; limit: number }) => [collectionId, page.after, page.limit],
)
