-- A run that somebody waits for comes back under his bound: he wakes it, and nobody else looks for it.
drop index runs_parked;
create index runs_parked on runs (wake_at) where lease is null and ended_at is null and parent_id is null;
create index runs_parked_children on runs (parent_id, parent_seq, wake_at)
  where lease is null and ended_at is null and parent_id is not null;
