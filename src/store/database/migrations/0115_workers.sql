-- Programs on other machines that carry out activities. See docs/decisions/0093-workers-in-any-language.md.
create table workers (
  id text primary key,
  number bigint generated always as identity,     -- the order of the list
  key_id bigint references api_keys on delete cascade, -- null: the admin token
  collection_ids bigint[],                        -- whose jobs it takes, as of its last poll; null: all
  name text not null,
  version text,
  labels text[] not null,
  concurrency int not null,
  registered_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  drained_at timestamptz                          -- since when it takes no more jobs
);
create index workers_number on workers (number);
create index workers_seen on workers (seen_at);
create index workers_key on workers (key_id);

-- Definitions of activities, by the SHA-256 of their text: a thousand workers of one program share one.
create table activity_definitions (
  hash text primary key,
  definition text not null                        -- JSON text: see offeredActivitySchema
);

create table worker_offers (
  worker_id text not null references workers on delete cascade,
  name text not null,                             -- of the activity
  version text,
  definition text not null references activity_definitions,
  concurrency int,
  timeout_seconds float8,
  primary key (worker_id, name)
);
create index worker_offers_name on worker_offers (name);
create index worker_offers_definition on worker_offers (definition);

-- Steps that workers carry out. A row stays until its run has ended, so that a repeated completion finds it.
create table worker_jobs (
  id text primary key,
  run_id text not null references runs on delete cascade,
  seq int not null,                               -- of the step
  collection_id bigint not null,
  step text not null,
  activity text not null,
  version text,                                   -- the only one that may take it; null: any
  labels text[] not null,                         -- what its worker must have
  timeout_seconds float8,                         -- of the step; null: of the activity
  sealed_parameters text,                         -- encrypted JSON text; null once it is settled
  attempt int not null,                           -- of the step
  state text not null,                            -- queued, leased, completed, failed or withdrawn
  turn bigint not null,                           -- collections take turns
  due_at timestamptz not null default now(),
  queued_at timestamptz not null default now(),
  epoch int not null default 0,                   -- number of hand-overs
  deaths int not null default 0,                  -- hand-overs whose worker was lost
  worker_id text,
  served_version text,                            -- of the activity, by the worker that has or had it
  definition text,                                -- of the activity, by that worker
  claimed_at timestamptz,
  deadline_at timestamptz,
  lease_expires_at timestamptz,
  progress float8,
  message text,
  logs text,                                      -- JSON text, without secrets of the run
  sealed_result text,                             -- encrypted JSON text: outputs, or an error
  settled_at timestamptz,
  unique (run_id, seq)
);
create index worker_jobs_queue on worker_jobs (activity, turn) where state = 'queued';
create index worker_jobs_turn on worker_jobs (turn) where state = 'queued';
create index worker_jobs_collection on worker_jobs (collection_id, turn) where state = 'queued';
create index worker_jobs_worker on worker_jobs (worker_id, activity) where state = 'leased';
create index worker_jobs_expiry on worker_jobs (least(lease_expires_at, deadline_at)) where state = 'leased';
create index worker_jobs_settled on worker_jobs (settled_at) where settled_at is not null;
