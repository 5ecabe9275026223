-- Hooks start runs from what other services send, and from events. A delivery starts the run `hook/<number>/<round>`: it
-- exists once, whichever process starts it (docs/decisions/0155-hooks-start-runs.md).

create sequence hook_ids;
create table hooks (
  id bigint primary key default nextval('hook_ids'), -- drawn first: its secrets are bound to it
  collection_id bigint not null references collections on delete cascade,
  task_id bigint references tasks on delete set null,
  task_name text not null,                        -- a task made anew under this name takes the place of a deleted one
  name text not null,
  url_id text not null,                           -- its part of the URL: random
  sender text not null,                           -- github, stripe, …; event: events of the collection
  event text,                                     -- name of the events; of the sender `event` alone
  signature_header text,                          -- of a sender that signs the body plainly
  delivery_header text,
  filter text,                                    -- JSONata
  mapping text,                                   -- JSONata
  disabled boolean not null,
  sealed_secret text,
  sealed_former_secret text,                      -- holds beside the other until `former_until`
  former_until timestamptz,
  refused bigint not null default 0,              -- requests whose signature did not hold, and the newest of them
  last_refused_at timestamptz,
  last_refusal text,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create unique index hooks_name on hooks (collection_id, lower(name));
create unique index hooks_url on hooks (url_id);
create index hooks_task on hooks (task_id, id);
create index hooks_of_collection on hooks (collection_id, id);
create index hooks_event on hooks (collection_id, event) where event is not null;

create table hook_deliveries (
  number bigint generated always as identity primary key,
  hook_id bigint not null references hooks on delete cascade,
  delivery_id text not null,                      -- of the sender, or a hash of the body
  body_hash text,                                 -- where the sender does not sign its id: the body counts once, too
  event text,                                     -- what the sender calls the kind of it
  payload text not null,                          -- JSON, without secrets
  bytes int not null,
  state text not null,                            -- waiting, started, filtered, failed, disabled, task_missing, paused
  reason text,
  run_id text,
  round int not null default 0,                   -- how often it was delivered again
  tries int not null default 0,                   -- failed attempts of this round
  claim int not null default 0,                   -- rises: odd while a process works on it
  due_at timestamptz not null default '-infinity', -- of its next attempt, while it waits
  received_at timestamptz not null default now(),
  settled_at timestamptz
);
create unique index hook_deliveries_id on hook_deliveries (hook_id, delivery_id);
create unique index hook_deliveries_body on hook_deliveries (hook_id, body_hash) where body_hash is not null;
create index hook_deliveries_list on hook_deliveries (hook_id, number);
create index hook_deliveries_state on hook_deliveries (hook_id, state, number);
create index hook_deliveries_due on hook_deliveries (due_at) where state = 'waiting';
create index hook_deliveries_waiting on hook_deliveries (hook_id, due_at, number) where state = 'waiting';
create index hook_deliveries_old on hook_deliveries (received_at) where state <> 'waiting';
