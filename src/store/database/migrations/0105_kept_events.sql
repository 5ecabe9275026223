-- A step that begins to wait looks for kept events of its address; receipts of the same address may be many.
create index events_kept on events (collection_id, event, key, coalesce(run_id, ''), number) where state = 'kept';
