-- The queue of leases takes turns between payers (docs/decisions/0129-shares-belong-to-payers.md).
alter table queued_leases rename column collection_id to payer;
alter index queued_leases_collection rename to queued_leases_payer;

drop function enqueue_lease(text, bigint, text);
-- Queues a lease (start-time fair queueing): it comes one turn after the last of its payer that waits; a payer that has none
-- waiting gets the turn that is next, and so do leases without one. Each look is the first entry of an index, also where
-- the plan was made while the queue was empty.
create function enqueue_lease(lease text, paid_by bigint, labels text) returns text language sql
  set enable_seqscan = off set enable_bitmapscan = off set enable_sort = off
as $$
  insert into queued_leases (id, placement, payer, turn)
  values (lease, coalesce(labels, ''), paid_by, greatest(
    coalesce((select turn from queued_leases where placement = coalesce(labels, '') order by turn limit 1), 0),
    coalesce((select turn + 1 from queued_leases where placement = coalesce(labels, '') and payer = paid_by
              order by turn desc limit 1), 0)))
  on conflict (id) do nothing returning id
$$;
