-- Items of datasets. A row is one content of an item; it is never changed, but for `to_seq` when the next one follows.
create sequence dataset_item_positions;

create table dataset_items (
  dataset_id bigint not null references entities on delete cascade,
  item_id text not null,
  from_seq int not null,                           -- first version of the dataset that has it
  to_seq int,                                      -- first version that does not; null: the newest one has it
  position bigint not null default nextval('dataset_item_positions'), -- order in lists; an item keeps it when it changes
  bucket smallint not null,                        -- of its split: from the hash of its id
  hash text not null,                              -- SHA-256 of the data
  data text not null,
  source text,                                     -- {trajectory_id, …} of the run that it was made from
  source_trajectory text,                          -- the id in it, to find what was made from a run
  author text not null,
  created_at timestamptz not null default now(),
  primary key (dataset_id, item_id, from_seq)
);
create index dataset_items_order on dataset_items (dataset_id, position, from_seq);
create index dataset_items_current on dataset_items (dataset_id, position) where to_seq is null;
create index dataset_items_source on dataset_items (source_trajectory) where source_trajectory is not null;
