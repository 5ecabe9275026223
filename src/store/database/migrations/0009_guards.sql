-- What guards the API: settings of collections, limits of calls, and who changed what.

alter table collections add column settings text; -- JSON object of what is set; the rest is default

-- How many calls a key has made in its current minute. Not logged: after a crash every window begins anew.
create unlogged table call_windows (
  key_id bigint not null,
  collection_id bigint not null,                  -- 0: all collections without a limit of their own
  started_at timestamptz not null,
  calls int not null,
  primary key (key_id, collection_id)
) with (fillfactor = 50);

-- Written before a change is made and marked once it is. No foreign keys: it outlives what it speaks of.
create table audit (
  id bigint generated always as identity primary key,
  collection_id bigint,                           -- null: the change concerns no collection
  collection_name text,
  at timestamptz not null default now(),
  actor_kind text not null,
  key_id bigint,
  key_name text,
  key_prefix text,
  operation text not null,
  target text not null,
  changes text not null,                          -- JSON object
  outcome text not null default 'begun'
);
create index audit_collection on audit (collection_id, id desc);
