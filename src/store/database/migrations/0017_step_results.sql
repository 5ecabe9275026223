-- Completed results of steps with `options.cache`, by what they were made from: they are not executed again.

-- It names where a result stands and has none of its own: where the run is gone, there is nothing to be reused.
create table step_results (
  collection_id bigint not null references collections on delete cascade,
  hash text not null,                             -- sha-256 of activity, version and resolved inputs
  run_id text not null,
  seq int not null,
  files text[] not null,                          -- what it has stored: a result is reused only while all of it is there
  created_at timestamptz not null default now(),
  primary key (collection_id, hash)
);
