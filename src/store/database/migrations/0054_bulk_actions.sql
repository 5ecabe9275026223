-- Actions on many runs at once. The row of an action is locked while a process carries a part of it out.
create table bulk_actions (
  id text primary key,                            -- 'bulk-' and 16 hex digits
  number bigint generated always as identity,     -- order of the list
  collection_id bigint not null references collections on delete cascade,
  action text not null,                           -- label, unlabel, cancel, rerun, undo
  change text not null,                           -- JSON: what it does with each run
  chosen text,                                    -- JSON: keys of the runs; null: the runs that fit the filter
  filter text,                                    -- JSON
  undo_of text references bulk_actions on delete cascade,
  position text,                                  -- JSON: where it goes on; null: at the start
  part text,                                      -- JSON: the part under way; null: none
  total int,                                      -- null: not known yet
  taken int not null default 0,                   -- runs looked at so far
  done int not null default 0,
  skipped int not null default 0,
  failed int not null default 0,
  state text not null default 'running',          -- running, completed, stopped
  reason text,                                    -- why it was stopped
  author text not null,
  recorded_by text not null,
  key_id bigint,                                  -- null: the admin
  due_at timestamptz not null default now(),        -- the next part; of one under way, when it is thought lost
  claim int not null default 0,                   -- rises with every part: an older claim writes nothing any more
  created_at timestamptz not null default now(),
  ended_at timestamptz
);
create index bulk_actions_due on bulk_actions (due_at) where state = 'running';
create index bulk_actions_collection on bulk_actions (collection_id, number desc);
create index bulk_actions_undo on bulk_actions (undo_of) where undo_of is not null;

-- What an action did with each run. A row is written before the run is changed, and completed afterwards.
create table bulk_runs (
  action_id text not null references bulk_actions on delete cascade,
  n int not null,                                 -- 0-based, in the order of the action
  run_id text not null,
  trajectory_id text not null,
  task text not null,
  labels text,                                    -- JSON: labels of the key before the change
  outcome text,                                   -- done, skipped, failed; null: not known
  error text,
  new_trajectory_id text,                         -- of a rerun
  primary key (action_id, n)
);
create index bulk_runs_failed on bulk_runs (action_id, n) where outcome = 'failed';
