-- Which items of which version of a dataset the runs of a batch or evaluation execute. The rows are written before the
-- batch, under the key that its run gets; a run is found as the child of that run with the index of the item.
create table dataset_batches (
  run_id text primary key,                         -- key of the batch's or evaluation's run; it may be gone
  dataset_id bigint not null references entities on delete cascade,
  seq int not null,                                -- version of the dataset
  split text,
  task_id bigint not null,
  digest text not null,                            -- SHA-256 of the items in their order
  created_at timestamptz not null default now()
);
create index dataset_batches_dataset on dataset_batches (dataset_id, created_at desc);
create index dataset_batches_age on dataset_batches (created_at);

create table dataset_runs (
  run_id text not null references dataset_batches on delete cascade,
  child_index int not null,
  dataset_id bigint not null,
  task_id bigint not null,
  item_id text not null,
  hash text not null,                              -- of the item's data then
  number bigint generated always as identity,
  primary key (run_id, child_index)
);
create index dataset_runs_item on dataset_runs (dataset_id, item_id, task_id, number desc);
