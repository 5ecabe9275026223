-- Indexes for the lists of the API, and what is left to remove of deleted collections.

create index tasks_collection on tasks (collection_id, id);
create index api_key_collections_newest on api_key_collections (collection_id, key_id desc);
drop index api_key_collections_collection;
create index files_prefix on files (path collate "C");

-- A collection whose row is gone, while its runs and files are being removed. Empty but for crashes in between.
create table deleted_collections (
  id bigint primary key,
  deleted_at timestamptz not null default now()
);
