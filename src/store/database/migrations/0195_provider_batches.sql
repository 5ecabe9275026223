-- Calls of models that go through the batch interface of their provider. See docs/decisions/0158-provider-batches.md.
alter table runs add column economy text;         -- 'batch': its steps' calls may wait for batches; null: sent at once

create table provider_batches (
  id text primary key,                            -- the provider shows it again, in the name of a file or in metadata
  number bigint generated always as identity,     -- the order of the list
  collection_id bigint not null,
  provider text not null,                         -- id of the provider
  model text not null,
  path text not null,                             -- of its calls, in the provider's batch interface
  sealed_account text not null,                   -- encrypted JSON text: address and key
  requests int not null,
  file_id text,                                   -- the provider's: its uploaded requests
  provider_id text,                               -- the provider's: the batch
  rejected text[] not null default '{}',          -- batches of the provider that were taken for it and are not
  created_at timestamptz not null default now(),
  uploading_at timestamptz,                       -- when the upload was tried first
  creating_at timestamptz,                        -- when the creation was tried first
  submitted_at timestamptz,
  due_at timestamptz not null,                    -- what has no answer then is sent at once
  cancelled_at timestamptz,                       -- when the provider was asked to cancel it
  ended_at timestamptz,
  completed int not null default 0,               -- answered requests, as the provider counts them
  failed int not null default 0,
  problem text,                                   -- the last failure of a request to the provider, or why it ended
  failures int not null default 0,                -- in a row
  reserved_usd numeric not null default 0,        -- of the collection's budget, for requests without an answer
  reserved_tokens bigint not null default 0,
  look_at timestamptz not null default now(),     -- when it is looked after next
  holder text,                                    -- the process that looks after it
  held_until timestamptz not null default '-infinity'
);
create index provider_batches_look on provider_batches (look_at) where ended_at is null;
create index provider_batches_open on provider_batches (collection_id) where ended_at is null;
create index provider_batches_list on provider_batches (collection_id, number);
create index provider_batches_ended on provider_batches (ended_at) where ended_at is not null;

-- One call of a step. A row stays until its run has ended: a step that is carried out again finds the answer.
create table batched_calls (
  id text primary key,                            -- the provider's answer names it
  run_id text not null references runs on delete cascade,
  seq int not null,                               -- of the step
  call text not null,                             -- hash of the request, and which of equal ones it is
  attempt int not null,                           -- of the step
  collection_id bigint not null,
  task_id bigint not null,
  account text not null,                          -- hash: calls of one account and model may share a batch
  provider text not null,
  model text not null,
  path text not null,
  wait_seconds float8 not null,                   -- at most, until it is sent at once
  sealed_request text,                            -- encrypted JSON text: account and body; null once it is settled
  request_bytes int not null,
  reserved_usd numeric not null,
  reserved_tokens bigint not null,
  state text not null,                            -- waiting, batched, answered, released or withdrawn
  batch text references provider_batches on delete set null,
  ready_at timestamptz not null,                  -- when the batch that is collected is sent
  due_at timestamptz not null,
  settled_at timestamptz,
  reason text,                                    -- of a released call: why it must be sent at once
  status int,                                     -- HTTP status of the answer
  sealed_answer text,                             -- encrypted JSON text
  usd numeric,
  is_charged boolean not null default false,
  unique (run_id, seq, call)
);
create index batched_calls_ready on batched_calls (ready_at) where state = 'waiting';
create index batched_calls_due on batched_calls (due_at) where state = 'waiting';
create index batched_calls_group on batched_calls (collection_id, account, ready_at) where state = 'waiting';
create index batched_calls_batch on batched_calls (batch) where batch is not null;
create index batched_calls_settled on batched_calls (settled_at) where settled_at is not null;

-- Lets a step wait for its open calls, and returns false when there are none. An earlier answer must not end the wait.
-- A function, because each of its statements has its own snapshot: what settles calls locks the run before it looks.
create function begin_batch_wait(run text, step int) returns boolean language plpgsql as $$
begin
  perform from runs where id = run for no key update;
  if not exists (select from batched_calls where run_id = run and seq = step and settled_at is null) then
    return false;
  end if;
  update runs set decided_seq = null where id = run and decided_seq = step;
  return true;
end $$;
