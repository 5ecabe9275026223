-- Who pays for a collection (docs/decisions/0129-shares-belong-to-payers.md): the number of the collection that a key was first
-- made for. A collection that the operator made pays for itself; one that a key made is paid by the payer of that key.
alter table collections add column payer bigint;
alter table api_keys add column payer bigint;

-- The topmost maker of each key.
create table key_tops as
with recursive above as (
  select id as key_id, id as top, made_by from api_keys
  union all
  select a.key_id, k.id, k.made_by from above a join api_keys k on k.id = a.made_by)
select key_id, top from above a where not exists (select from api_keys k where k.id = a.made_by);

-- A key's scope only ever grows by collections that the key makes, so a collection that is younger than a key which covers it
-- was made with that key. Its payer is that of the collection for which the topmost maker of the key was made, and so on.
with recursive first_of as (
  select distinct on (k.id) k.id as key_id, c.id as collection_id
  from api_keys k join api_key_collections s on s.key_id = k.id join collections c on c.id = s.collection_id
  where c.created_at <= k.created_at order by k.id, (c.id = k.home_collection_id) desc, c.id),
maker as (
  select distinct on (c.id) c.id as collection_id, s.key_id
  from collections c join api_key_collections s on s.collection_id = c.id join api_keys k on k.id = s.key_id
  where c.created_at > k.created_at order by c.id, s.key_id),
parent as (
  select m.collection_id, f.collection_id as of
  from maker m join key_tops t on t.key_id = m.key_id join first_of f on f.key_id = t.top),
-- Each step leads to an older collection.
chain as (
  select id as collection_id, id as payer from collections
  union all
  select c.collection_id, p.of from chain c join parent p on p.collection_id = c.payer)
update collections c set payer = found.payer
from (select * from chain where not exists (select from parent p where p.collection_id = chain.payer)) found
where found.collection_id = c.id;

update api_keys k set payer = found.payer
from key_tops t join (
  select distinct on (k.id) k.id as key_id, c.payer
  from api_keys k join api_key_collections s on s.key_id = k.id join collections c on c.id = s.collection_id
  order by k.id, (c.created_at <= k.created_at) desc, (c.id = k.home_collection_id) desc, c.id) found on found.key_id = t.top
where t.key_id = k.id;
drop table key_tops;
update api_keys set payer = -id where payer is null; -- it covers nothing any more

-- A row without a payer pays for itself. Payers that are keys have negative numbers.
create function own_payer() returns trigger language plpgsql as $$
begin
  if new.payer is null then new.payer := case when tg_table_name = 'collections' then new.id else -new.id end; end if;
  return new;
end $$;
create trigger own_payer before insert on collections for each row execute function own_payer();
create trigger own_payer before insert on api_keys for each row execute function own_payer();

alter table collections alter column payer set not null;
alter table api_keys alter column payer set not null;
create index collections_payer on collections (payer);
