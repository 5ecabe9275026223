-- What each collection stores. Processes add to it once a second; the numbers are measured anew once a day.
create table collection_usage (
  collection_id bigint primary key references collections (id) on delete cascade,
  runs bigint not null default 0,
  database_bytes bigint not null default 0,
  file_bytes bigint not null default 0,
  added_at timestamptz,                           -- when a process last added to it
  measured_at timestamptz                         -- null: not yet; it has only what was added since
) with (fillfactor = 50);
