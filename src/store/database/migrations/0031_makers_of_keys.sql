-- Which key a key was made with, so that a key can be ended together with all that were made with it. `created_by` says
-- who that was, also once the maker is gone; null: made before this was noted, and not in the audit trail.

alter table api_keys add column made_by bigint references api_keys on delete set null;
alter table api_keys add column created_by text;
create index api_keys_made_by on api_keys (made_by) where made_by is not null;

update api_keys k set
  made_by = (select maker.id from api_keys maker where maker.id = a.key_id),
  created_by = case a.actor_kind when 'admin' then 'admin' else 'api-key:' || a.key_name || ' (key ' || a.key_id || ')' end
from audit a
where a.operation = 'createKey' and a.outcome = 'done' and a.target = k.id::text;
