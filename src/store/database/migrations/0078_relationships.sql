-- Which entity was made from which. An end is a dataset or model, or a task; a link without a source says only how its
-- target came to be.
create table entity_relationships (
  id bigint generated always as identity primary key,
  source_entity_id bigint references entities on delete cascade,
  source_task_id bigint references tasks on delete cascade,
  target_entity_id bigint references entities on delete cascade,
  target_task_id bigint references tasks on delete cascade,
  activity_name text not null,
  agent_id bigint references agents on delete set null,
  author text not null,
  created_at timestamptz not null default now(),
  check (num_nonnulls(target_entity_id, target_task_id) = 1),
  check (num_nonnulls(source_entity_id, source_task_id) <= 1)
);
create unique index entity_relationships_link on entity_relationships (coalesce(target_entity_id, 0), coalesce(target_task_id, 0),
  coalesce(source_entity_id, 0), coalesce(source_task_id, 0), md5(activity_name));
create index entity_relationships_source on entity_relationships (source_entity_id) where source_entity_id is not null;
create index entity_relationships_source_task on entity_relationships (source_task_id) where source_task_id is not null;
create index entity_relationships_target on entity_relationships (target_entity_id) where target_entity_id is not null;
create index entity_relationships_target_task on entity_relationships (target_task_id) where target_task_id is not null;
create index entity_relationships_agent on entity_relationships (agent_id) where agent_id is not null;

create unique index agents_name on agents (collection_id, lower(name));
