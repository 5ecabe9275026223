-- What nothing needs any more can be found and goes, and what may hold credentials is sealed.

-- Of a collection's storage. The key is not here: the next start seals what there is.
alter table collections rename column storage_info to unsealed_storage_info;
alter table collections add column sealed_storage_info text;

-- Since when nothing was seen to use a definition; whoever is about to use it takes that back.
alter table definitions add column unused_since timestamptz;
create index tasks_definition on tasks (definition);
create index task_versions_definition on task_versions (definition);
create index runs_definition on runs (definition);
create index runs_shown_definition on runs (shown_definition) where shown_definition is not null;

-- Which objects a row names.
create index files_object on files (object);

-- Tells this database from others that may once have had the same data folder.
insert into server (key, value) values ('installation', gen_random_uuid()::text);
