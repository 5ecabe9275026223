-- What steps wait for somebody to decide, and what was decided.
create table approvals (
  run_id text not null references runs on delete cascade,
  seq int not null,                               -- of the step
  number bigint generated always as identity,     -- the order of the list
  collection_id bigint not null,
  step text not null,
  message text not null,
  assignees text not null,                        -- JSON text: who is meant to decide; nobody else is kept from it
  metadata text not null,                         -- JSON text: an object for whoever decides
  requested_at timestamptz not null default now(),
  expires_at timestamptz,                         -- null: never
  by_default text not null,                       -- what is decided then
  decision text,                                  -- approve, reject or fail; null while it waits
  comment text,
  decided_by text,                                -- null: nobody, it has expired
  decided_at timestamptz,
  primary key (run_id, seq)
);
create index approvals_open on approvals (collection_id, number) where decision is null;
