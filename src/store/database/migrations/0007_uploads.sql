-- Files that were uploaded ahead of a run. The bytes' row is in `files`; here is what an upload has beyond it.
create table uploads (
  id text primary key,                            -- 'file-' and 32 hex digits
  path text not null unique references files on delete cascade,
  collection_id bigint not null,
  purpose text not null,
  number bigint generated always as identity      -- order of the list
);
create unique index uploads_number on uploads (number);
create index uploads_collection on uploads (collection_id, number desc);
