-- Trials of another version of a task on recorded runs. See docs/decisions/0169-experiments.md.
create table experiments (
  id text primary key,                            -- 'exp-' and 16 hex digits; keys of its runs begin with it
  number bigint generated always as identity,     -- order of the list
  collection_id bigint not null references collections on delete cascade,
  task_id bigint not null,
  task text not null,
  kind text not null,                             -- backtest
  name text,
  candidate text not null,                        -- JSON: the version, or what was changed
  definition text not null,                       -- hash of the candidate's workflow
  init_params text not null,                      -- JSON: parameters that replace those of the recorded runs
  judges text not null,                           -- JSON
  output_path text,                               -- what is judged; null: the outputs of the last step
  allow text not null,                            -- JSON: writing steps that are executed
  max_concurrency int not null,
  bound_usd numeric,                              -- null: none
  estimate text not null,                         -- JSON, as it was before the start
  state text not null default 'running',          -- running, completed, stopped
  reason text,                                    -- why it was stopped: bound, cancelled, or a sentence
  author text not null,
  recorded_by text not null,
  key_id bigint,                                  -- null: the admin
  due_at timestamptz not null default now(),      -- when it is looked after next
  created_at timestamptz not null default now(),
  ended_at timestamptz
);
create index experiments_due on experiments (due_at) where state = 'running';
create index experiments_list on experiments (collection_id, number);
create index experiments_definition on experiments (definition);

create table experiment_items (
  experiment_id text not null references experiments on delete cascade,
  n int not null,                                 -- 0-based
  base_key text not null,                         -- the recorded run
  base_id text not null,                          -- its trajectory id
  from_step text,                                 -- the first step that differs; null: untouched, or it cannot be tried
  rest_usd float8 not null,                       -- what the recorded run paid from there on
  state text not null,                            -- waiting, running, judging, ended
  outcome text,                                   -- see ExperimentItem; null: it has not ended
  reason text,
  trial_id text,                                  -- trajectory id of the run of the candidate
  verdicts text,                                  -- JSON: by judge, of both runs
  primary key (experiment_id, n)
);
create index experiment_items_open on experiment_items (experiment_id, state) where state <> 'ended';
