-- Labels of runs, and what a run that was recorded elsewhere and sent in has of its own.

-- One label a key and author. `number` is its place in the list: a new value goes to the end. What is there of the run
-- is kept here too, so that the runs with a label are one index scan in the order of the list.
create table labels (
  run_id text not null,
  task_id bigint not null,
  collection_id bigint not null,
  key text not null,
  author text not null,
  value text not null,
  number bigint generated always as identity,
  changed bigint not null default nextval('changes'),
  run_created_at timestamptz not null,
  run_number bigint not null,
  created_at timestamptz not null default now(),
  primary key (run_id, key, author)
);
create index labels_of_key on labels (task_id, key, run_created_at desc, run_number desc);
create index labels_of_value on labels (task_id, key, left(value, 200), run_created_at desc, run_number desc);

-- How often a value stands in the runs of a task, kept by whoever writes labels. Values may be long: md5 is the key.
create table label_counts (
  task_id bigint not null,
  key text not null,
  value_md5 text not null,
  value text not null,
  total bigint not null,
  primary key (task_id, key, value_md5)
) with (fillfactor = 50);
create index label_counts_often on label_counts (task_id, key, total desc);

alter table runs
  add column ingested boolean not null default false,   -- recorded elsewhere: nothing here executed it
  add column params text,                               -- attributes.params of the document, as JSON text
  add column routine_id bigint;                         -- the routine that started it

-- Ids that the server draws are unique in the server; those that come with a run from outside only in their task.
drop index runs_trajectory_id;
create unique index runs_trajectory_id on runs
  (trajectory_id, (case when trajectory_id ~ '^[0-9a-f]{8}$' then 0 else task_id end));

create index runs_status on runs (task_id, status, created_at desc, number desc);
create index runs_routine on runs (routine_id, created_at desc, number desc) where routine_id is not null;
