-- Who set a variable of a collection last, and when. The values stand encrypted in `environments`.
create table variable_changes (
  collection_id bigint not null references collections on delete cascade,
  name text collate "C" not null,
  set_at timestamptz not null default now(),
  set_by text not null,                           -- `admin`, or the name and id of a key
  primary key (collection_id, name)
);
