-- For whom and for what models are paid (docs/decisions/0152-totals-by-label.md).

-- Cost, tokens and calls of a day (UTC) by the value of a label: of `user` and `session`, and of the keys that the collection
-- names in its setting label_totals. Written with `spending`. Values that are too many for a day are in the row `(other)`.
create table label_days (
  collection_id bigint not null,
  key text collate "C" not null,
  day date not null,
  value text collate "C" not null,              -- its first 200 characters
  usd numeric not null default 0,
  tokens bigint not null default 0,
  calls bigint not null default 0,
  runs bigint not null default 0,               -- runs that began with the label
  primary key (collection_id, key, day, value)
) with (fillfactor = 50);
create index label_days_of_value on label_days (collection_id, key, value, day);

-- Users and sessions with runs, kept by whoever writes labels, as label_counts.
create table label_values (
  collection_id bigint not null,
  key text collate "C" not null,                -- user or session
  value text collate "C" not null,              -- its first 200 characters
  runs bigint not null,
  first_at timestamptz not null,
  seen_at timestamptz not null,                 -- when its latest run was created
  primary key (collection_id, key, value)
) with (fillfactor = 50);
create index label_values_seen on label_values (collection_id, key, seen_at desc, value desc) where runs > 0;

insert into label_values (collection_id, key, value, runs, first_at, seen_at)
select collection_id, key, left(value, 200), count(*), min(run_created_at), max(run_created_at)
from labels where key in ('user', 'session') group by 1, 2, 3;

-- The runs of a user or a session, whichever their task.
create index labels_of_listed on labels (collection_id, key, left(value, 200), run_created_at, run_number)
  where key in ('user', 'session');

-- Under which labels the calls of a trace are counted in label_days: {key: value}; null for runs that were executed here.
alter table runs add column counted_labels text;

-- The key of a run and of all runs above it: the key of a child begins with that of its parent.
create function keys_of_line(key text) returns text[] language sql immutable parallel safe
  return case when position('/' in key) = 0 then array[key] else
    (select array_agg(array_to_string(parts[1:n], '/')) from string_to_array(key, '/') parts, generate_series(1, cardinality(parts)) n) end;
