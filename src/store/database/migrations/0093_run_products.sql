-- Which versions of datasets and models a run registered: the server writes a row when a step registers one, so it is
-- proof and not a claim. Deleting the run or the entity deletes it.
create table run_products (
  run_id text not null references runs on delete cascade,
  entity_id bigint not null references entities on delete cascade,
  seq int not null,                                -- version that the run made, or found to be the same
  step text not null,
  created_at timestamptz not null default now(),
  primary key (run_id, entity_id, seq)
);
create index run_products_entity on run_products (entity_id, created_at desc, run_id);
