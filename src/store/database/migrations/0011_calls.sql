-- Calls of the gateway as runs.

-- What models have cost, a day (UTC) and collection; in shards, as run_counts. Written with the record of a call.
create table spending (
  collection_id bigint not null,
  day date not null,
  shard smallint not null,
  usd numeric not null default 0,
  tokens bigint not null default 0,
  primary key (collection_id, day, shard)
) with (fillfactor = 50);

-- Where init_params above 64 KiB stand: a large request is written while its model still answers.
alter table runs alter column init_params drop not null;
alter table runs add column init_params_payload text;
