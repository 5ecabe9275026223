-- Scores of traces that have not arrived: programs send a score within a second, and their spans in batches after five.
create table early_scores (
  collection_id bigint not null references collections on delete cascade,
  trace_id text not null,
  key text not null,
  value text not null,
  author text not null,
  recorded_by text not null,
  created_at timestamptz not null default now(),
  primary key (collection_id, trace_id, key, author)
);
create index early_scores_by_age on early_scores (collection_id, created_at);

-- A call inside of another one is the same call, as two libraries saw it: the inner one counts.
alter table spans add column parent_id text;                         -- null for a root
alter table spans add column is_call boolean not null default false; -- it counts tokens or a cost
create index spans_of_calls on spans (run_id, parent_id) where is_call;
