-- Events that were sent to runs. After a run has taken an event its row is the receipt: the same event is recognised by it.
create table events (
  number bigint generated always as identity primary key,
  collection_id bigint not null references collections on delete cascade,
  event text collate "C" not null,                -- name of the event; of a callback, the step that it is for
  key text collate "C" not null,                  -- correlation key; of a callback, the run's trajectory id
  run_id text references runs on delete cascade,  -- the run that a callback is for; null: an event by name
  event_id text collate "C" not null,             -- of the sender, or a hash of the payload
  payload_hash text not null,
  payload text,                                   -- JSON text; null once a run has taken it
  bytes int not null,
  state text not null default 'kept',             -- kept, delivered, refused, expired
  reason text,                                    -- why it was refused
  taken_by text,                                  -- JSON text: {task, trajectory_id, step} that took or refused it
  sent_by text not null,
  received_at timestamptz not null default now(),
  expires_at timestamptz not null,                -- until then a run may take it
  forget_at timestamptz not null                  -- until then the row stays as a receipt
);
create unique index events_once on events (collection_id, event, key, coalesce(run_id, ''), event_id);
create index events_list on events (collection_id, number);
create index events_state on events (collection_id, state, number) include (bytes);
create index events_expired on events (expires_at) where state = 'kept';
create index events_forgotten on events (forget_at);
create index events_run on events (run_id) where run_id is not null;

-- Steps that wait for an event, and what came of it.
create table event_waits (
  run_id text not null references runs on delete cascade,
  seq int not null,                               -- of the step
  number bigint generated always as identity,     -- the order of the list, and of delivery
  collection_id bigint not null,
  step text not null,                             -- as it is recorded
  callback text collate "C" not null,             -- name of the step in the workflow, which callbacks name
  event text collate "C" not null,
  key text collate "C" not null,
  payload_schema text,                            -- JSON text; null: any payload fits
  waits_since timestamptz not null default now(),
  expires_at timestamptz,                         -- null: never
  outcome text,                                   -- received or timed_out; null while it waits
  ended_at timestamptz,
  event_id text,
  payload text,                                   -- JSON text
  sent_by text,
  received_at timestamptz,
  primary key (run_id, seq)
);
create index event_waits_open on event_waits (collection_id, event, key, number) where outcome is null;
create index event_waits_list on event_waits (collection_id, number) where outcome is null;
create index event_waits_ended on event_waits (ended_at) where outcome is not null;
