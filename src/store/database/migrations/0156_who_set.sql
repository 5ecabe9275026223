-- The settings of a collection by who has set them (docs/decisions/0131-what-binds-a-tenant.md): JSON objects, null: none.
-- `settings` has what is in force.
alter table collections add column operator_settings text;
alter table collections add column key_settings text;

-- The audit trail tells who set what last. What it does not know binds.
with members as (
  select c.id, s.key, s.value, coalesce((
    select a.actor_kind from audit a
    where a.collection_id = c.id and a.operation = 'updateCollectionSettings' and a.outcome = 'done'
      and a.changes like '%"' || s.key || '"%'
    order by a.id desc limit 1), 'admin') as actor
  from collections c cross join lateral json_each(c.settings::json) s where c.settings is not null)
update collections c set
  operator_settings = (select json_object_agg(key, value)::text from members m where m.id = c.id and actor = 'admin'),
  key_settings = (select json_object_agg(key, value)::text from members m where m.id = c.id and actor = 'key')
where settings is not null;
