/** An expression with the labels of a run as JSON text, in the order of the list: the newest value stands last. */
export const labelsText = (runId: string): string =>
  `coalesce((select '[' || string_agg(json_build_object('key', l.key, 'value', l.value,
     'created', to_char(l.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'author', l.author)::text,
     ',' order by l.number) || ']' from labels l where l.run_id = ${runId}), '[]')`
