-- Saved views of the list of runs: what it is filtered by, and which columns it shows.
create table views (
  collection_id bigint not null references collections on delete cascade,
  name text not null,
  task text,                                      -- null: of all tasks
  query text not null,                            -- the query string of the list
  columns text not null,                          -- JSON list of names
  author text not null,                           -- who saved it last
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index views_name on views (collection_id, lower(name));
