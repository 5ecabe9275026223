-- Tells every process that keys, collections or tasks have changed, which it keeps for a moment
-- (docs/decisions/0108-starts-from-memory.md). The columns are those that it keeps: a key is also updated when it is used.
create function tell_access() returns trigger language plpgsql as $$
begin
  -- the function comes with the engine, after the first migrations of a new database
  if to_regprocedure('channel(text)') is not null then perform pg_notify(channel('access'), ''); end if;
  return null;
end $$;

create trigger told after update of name, access_level, is_active, expires_at, home_collection_id or delete on api_keys
  for each statement execute function tell_access();
create trigger told after insert or update or delete on api_key_collections
  for each statement execute function tell_access();
create trigger told after update of name, settings, environment_id or delete on collections
  for each statement execute function tell_access();
create trigger told after update of name, definition, collection_id or delete on tasks
  for each statement execute function tell_access();
