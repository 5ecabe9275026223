-- Deliveries of a collection are listed, newest first; of those that failed there may be few among many.
alter table webhook_attempts add column collection_id bigint;   -- null: made by a process of an older version
update webhook_attempts a set collection_id = r.collection_id from runs r where r.id = a.run_id;
create index webhook_attempts_collection on webhook_attempts (collection_id, id desc);
create index webhook_attempts_failed on webhook_attempts (collection_id, id desc) where not delivered;
