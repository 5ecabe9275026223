-- Leases that wait for a process. See docs/decisions/0143-leases-are-handed-out-by-sql.md.
create table queued_leases (
  id text primary key,                            -- of `leases`
  number bigint generated always as identity,     -- order of insertion
  placement text not null,                        -- labels of a server process, as in `leases.runs_on`; '': any process
  collection_id bigint,                           -- null: runs of several collections, put back by a process
  turn bigint not null,
  queued_at timestamptz not null default now()
);
create index queued_leases_next on queued_leases (placement, turn, number);
create index queued_leases_collection on queued_leases (placement, collection_id, turn);

-- Earlier versions kept the queue in the tables of a library. A process may still own what is not queued there: it is
-- taken over as after a crash.
do $$
declare
  engine text := (select value from server where key = 'engine-schema');
  is_ours boolean := false;
begin
  if engine is null then
    engine := 'dbos';
    is_ours := exists (select from schema_migrations where name like '@dbos-inc/%');
  elsif to_regclass(format('%I.jetty_installation', engine)) is not null then
    execute format('select exists (select from %I.jetty_installation where schema = current_schema())', engine)
      into is_ours;
  end if;
  if is_ours and to_regclass(format('%I.workflow_status', engine)) is not null then
    execute format(
      $move$ insert into queued_leases (id, placement, collection_id, turn)
        select l.id, coalesce(l.runs_on, ''),
          case when w.queue_partition_key ~ '^\d{1,18}$' then w.queue_partition_key::bigint end, coalesce(w.priority, 0)
        from %I.workflow_status w join leases l on l.id = w.workflow_uuid
        where w.name = 'lease' and (w.status = 'ENQUEUED' or (w.status = 'PENDING' and l.owner = ''))
          and exists (select from runs where lease = l.id and ended_at is null)
        order by w.priority, w.created_at $move$, engine);
    delete from leases l
    where owner = '' and not exists (select from runs where lease = l.id and ended_at is null);
  end if;
end $$;

drop view if exists lease_status, lease_outputs;
drop function if exists enqueue_lease(text);
drop function if exists enqueue_lease(text, text);
drop function if exists enqueue_lease(text, text, text);
drop function if exists lease_queue(text);

-- Queues a lease. Collections take turns (start-time fair queueing): a lease comes one turn after the last of its
-- collection that waits; a collection that has none waiting gets the turn that is next. Each look is the first entry of
-- an index, also where the plan was made while the queue was empty.
create function enqueue_lease(lease text, collection bigint, labels text) returns text language sql
  set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
as $$
  insert into queued_leases (id, placement, collection_id, turn)
  values (lease, coalesce(labels, ''), collection, greatest(
    coalesce((select turn from queued_leases where placement = coalesce(labels, '') order by turn limit 1), 0),
    coalesce((select turn + 1 from queued_leases where placement = coalesce(labels, '') and collection_id = collection
              order by turn desc limit 1), 0)))
  on conflict (id) do nothing returning id
$$;

-- Volatile, so that it sees what was committed while its caller waited for the lock of the lease.
create function has_open_runs(lease_id text) returns boolean language sql volatile set enable_seqscan = off
as $$ select exists (select from runs where lease = lease_id and ended_at is null) $$;

-- Several installations may live in one database, each in a schema of its own. Channels of NOTIFY and keys of advisory
-- locks are named after the schema; in `public` they are the plain ones. The names are a part of the functions, so that
-- statements have the same text everywhere, and PostgreSQL puts the bodies in the place of the calls when it plans.
do $$
declare
  here text := current_schema();
  digest text := encode(sha256(convert_to(here, 'UTF8')), 'hex');
  longest int := 63 - length('_longest_channel'); -- bytes of a name
  prefix text := case when here = 'public' then ''
    when octet_length(here) <= longest then here || '_' else left(digest, 24) || '_' end;
  space int := case when here = 'public' then 7070 else ('x' || left(digest, 8))::bit(32)::bigint & 2147483647 end;
begin
  execute format('create or replace function channel(name text) returns text language sql immutable as
    $body$ select %L || name $body$', prefix);
  execute format('create or replace function lock_space() returns int language sql immutable as
    $body$ select %s $body$', space);
end $$;
