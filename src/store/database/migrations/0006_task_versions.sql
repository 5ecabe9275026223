-- What a task has been. A row is written by the statement that changes the task, and never changed.

create table task_versions (
  id bigint generated always as identity,          -- shown as transaction_id
  task_id bigint not null references tasks on delete cascade,
  seq int not null,                                -- 0-based, without gaps: the task's row is locked while one is added
  operation_type text not null,                    -- INSERT or UPDATE
  content_hash text,                               -- null: saved before versions were kept, and worked out when read
  name text not null,
  definition text not null references definitions,
  description text,
  version text,                                    -- also a tag of this row
  has_file_uploads boolean not null,
  is_private boolean not null,
  croissant_metadata text,
  created_at timestamptz not null,
  primary key (task_id, seq)
);
create index task_versions_hash on task_versions (task_id, content_hash, seq desc);
create index task_versions_tag on task_versions (task_id, left(version, 200), seq desc) where version is not null;

insert into task_versions (task_id, seq, operation_type, name, definition, description, version, has_file_uploads,
  is_private, croissant_metadata, created_at)
select id, 0, 'INSERT', name, definition, description, version, has_file_uploads, is_private, croissant_metadata, updated_at
from tasks order by id;
