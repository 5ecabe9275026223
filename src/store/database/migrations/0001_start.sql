-- Everything of ours. What a step did is written once, to `steps`: that row is checkpoint and trajectory in one.
-- JSON that came from a caller is kept as text, so that the order of its keys and \u0000 survive.

create sequence changes;                          -- numbers every change that a watcher of a run may want to see

create table server (key text primary key, value text not null);

create table collections (
  id bigint generated always as identity primary key,
  name text not null,
  description text,
  owner_identifier text,
  storage_info text,
  storage_provider text not null default 'default',
  environment_id bigint,                          -- the version of the environment that new runs get
  created_at timestamptz not null default now()
);
create unique index collections_name on collections (lower(name));

-- One version of a collection's environment, never changed: a run keeps the version it started with.
create table environments (
  id bigint generated always as identity primary key,
  collection_id bigint not null references collections on delete cascade,
  sealed text not null,
  created_at timestamptz not null default now()
);
create index environments_collection on environments (collection_id);

create table agents (
  id bigint generated always as identity primary key,
  collection_id bigint not null references collections on delete cascade,
  name text not null,
  type text,
  created_at timestamptz not null default now(),
  unique (collection_id, name)
);

create table api_keys (
  id bigint generated always as identity primary key,
  collection_id bigint not null references collections on delete cascade,
  name text not null,
  key_hash text not null unique,
  key_prefix text not null,
  access_level text not null default 'WRITE',
  is_active boolean not null default true,
  expires_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null default now()
);
create unique index api_keys_name on api_keys (collection_id, name);

create table api_key_collections (
  key_id bigint not null references api_keys on delete cascade,
  collection_id bigint not null references collections on delete cascade,
  primary key (key_id, collection_id)
);
create index api_key_collections_collection on api_key_collections (collection_id);

-- A workflow as text, shared by every task and run that uses exactly it.
create table definitions (
  hash text primary key,                          -- sha-256 of the text
  workflow text not null,
  created_at timestamptz not null default now()
);

create table tasks (
  id bigint generated always as identity primary key,
  collection_id bigint not null references collections on delete cascade,
  name text not null,
  definition text not null references definitions,
  description text,
  version text,
  has_file_uploads boolean not null default false,
  is_private boolean not null default true,
  is_chat_flow boolean not null default false,
  croissant_metadata text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index tasks_name on tasks (collection_id, lower(name));

-- Names of deleted tasks: their runs can still be listed.
create table former_tasks (
  task_id bigint primary key,
  collection_id bigint not null references collections on delete cascade,
  name text not null
);
create index former_tasks_name on former_tasks (collection_id, lower(name), task_id desc);

-- Who works on a batch of runs. The epoch rises with every change of owner; a write that names an older one is refused.
create table leases (
  id text primary key,
  epoch int not null,
  owner text not null,                            -- executor, or '' while nobody has it
  opened_at timestamptz not null default now()
);
create index leases_owner on leases (owner);

create table executors (
  id text primary key,
  beat_at timestamptz not null default now()
);

create table runs (
  id text primary key,                            -- internal key
  number bigint generated always as identity,     -- order of insertion
  trajectory_id text not null,
  workflow_id text not null,
  collection_id bigint not null,
  task_id bigint not null,
  name text not null,                             -- 'collection/task' as they were called at the start
  definition text not null,
  shown_definition text,                          -- where a secret had to be struck out of the definition
  init_params text not null,
  author text not null,
  environment_id bigint,
  sealed_secrets text,                            -- secret_params, until the run ends
  lease text,                                     -- null while parked
  wake_at timestamptz,                            -- until when it is, or was last, parked
  status text not null,
  error text,
  requested_status text,                          -- what somebody asked its owner to end it with
  deaths int not null default 0,                  -- processes that died while it was suspected at step `death_seq`
  death_seq int not null default -1,
  changed bigint not null default nextval('changes'),
  created_at timestamptz not null default now(),
  started_at timestamptz,
  ended_at timestamptz
) with (fillfactor = 80);
create unique index runs_trajectory_id on runs (trajectory_id);
create index runs_task on runs (task_id, created_at desc, number desc);
create index runs_open on runs (lease) where ended_at is null;
create index runs_parked on runs (wake_at) where lease is null and ended_at is null;
create index runs_requested on runs (lease) where requested_status is not null and ended_at is null;

create table steps (
  run_id text not null,
  seq int not null,                               -- 0-based, without gaps
  name text not null,
  status text not null,
  attempt int not null,
  inputs text,
  outputs text,
  inputs_payload text,                            -- where a value above 64 KiB stands
  outputs_payload text,
  error text,                                     -- {code, message, retryable, hint, cause}
  warnings text,                                  -- [{timestamp, level, type, message, attributes}]
  epoch int not null,
  work_ms bigint not null default 0,              -- work of the run up to and including this step, waiting left out
  changed bigint not null default nextval('changes'),
  started_at timestamptz not null,
  wake_at timestamptz,                            -- it executes nothing: it waits until then
  ended_at timestamptz,
  primary key (run_id, seq)
) with (fillfactor = 90);

create table payloads (
  id text primary key,
  run_id text not null,
  body text not null,
  created_at timestamptz not null default now()
);
alter table payloads alter column body set storage external;
create index payloads_run on payloads (run_id);

-- How many runs a task has ever started, kept by whoever starts them; a row a shard, so that processes do not queue.
create table run_counts (
  task_id bigint not null,
  shard smallint not null,
  total bigint not null,
  primary key (task_id, shard)
) with (fillfactor = 50);

create table files (
  path text primary key,                          -- storage path, its first segment the collection's name
  collection_id bigint not null,
  run_id text,
  object text not null,                           -- id in the object store
  name text not null,
  content_type text not null,
  size bigint not null,
  created_at timestamptz not null default now()
);
create index files_run on files (run_id) where run_id is not null;
create index files_collection on files (collection_id);
