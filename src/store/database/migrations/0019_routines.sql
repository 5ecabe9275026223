-- Tasks that run at times. A fire starts the run `routine/<id>/<fire time>`: it exists once, whoever starts it.

create sequence routine_ids;
create table routines (
  id bigint primary key default nextval('routine_ids'), -- drawn first: its secrets are bound to it
  task_id bigint not null references tasks on delete cascade,
  name text not null,
  cadence text not null,                          -- JSON: {type, …}
  init_params_overrides text not null,            -- JSON object, as it was given
  secret_param_keys text[] not null,
  sealed_secrets text,                            -- JSON object of strings
  paused boolean not null,
  webhook_url text,
  sealed_webhook_secret text,
  overlap text not null,                          -- skip, queue, allow
  catch_up text not null,                         -- none, last, all
  next_run_at timestamptz,                        -- the first fire nobody has looked at; null: manual, or paused
  waiting timestamptz[] not null default '{}',    -- fires whose runs are to be started still, oldest first
  last_skipped_at timestamptz,                    -- the newest fire that no run came of, and why
  last_skip_reason text,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create unique index routines_name on routines (task_id, lower(name));
create index routines_due on routines (next_run_at) where next_run_at is not null;
create index routines_waiting on routines (id) where waiting <> '{}';

create index runs_open_of_routine on runs (routine_id) where routine_id is not null and ended_at is null;
