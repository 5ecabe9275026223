-- A collection may be paused by the operator of the server, by a key, or by both: {"operator": {"author", "reason", "at"},
-- "key": {…}}. See docs/decisions/0144-a-paused-collection.md.
alter table collections add column pauses jsonb;
create index collections_paused on collections (id) where pauses is not null;
create trigger paused after update of pauses on collections for each statement execute function tell_access();
-- Runs that left memory because of a pause.
create index runs_held on runs (collection_id) where wake_at = 'infinity' and ended_at is null;
