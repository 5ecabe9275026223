-- Keys that the server lends: which collections have begun a trial, and what they have used of it.
create table trials (
  collection_id bigint primary key references collections (id) on delete cascade,
  activated_at timestamptz not null default now()
);

-- One row a run on lent keys, written before the run is: how many have been used is how many rows there are.
create table trial_runs (
  run_key text primary key,                       -- runs.id
  collection_id bigint not null references trials (collection_id) on delete cascade,
  reserved_at timestamptz not null default now(),
  seconds double precision                        -- how long it took; null while it runs, or was not counted yet
);
create index trial_runs_collection on trial_runs (collection_id);
create index trial_runs_uncounted on trial_runs (reserved_at) where seconds is null;
