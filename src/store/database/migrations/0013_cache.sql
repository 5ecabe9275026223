-- What settings of collections need: answers that may be given again, and what single runs have cost.

-- Answers of models, by what was asked of whom. Not logged: a crash empties it, and models are asked again.
create unlogged table answer_cache (
  collection_id bigint not null references collections on delete cascade,
  hash text not null,                             -- sha-256 of shape, provider, address, model and request
  provider text not null,
  model text not null,
  content_type text not null,
  body bytea not null,
  created_at timestamptz not null default now(),
  primary key (collection_id, hash)
);
alter table answer_cache alter column body set storage external;

-- US dollars that the model calls of a run have cost so far, those of attempts that were repeated included.
create table run_spending (
  run_id text primary key,
  usd numeric not null
) with (fillfactor = 50);
