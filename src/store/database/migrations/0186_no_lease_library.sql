-- Drops the tables of the library that handed leases out, where they are this installation's alone and nothing waits in
-- them any more.
do $$
declare
  engine text := (select value from server where key = 'engine-schema');
  is_droppable boolean := false;
begin
  if engine is null then
    return;
  end if;
  if to_regclass(format('%I.jetty_installation', engine)) is not null
    and to_regclass(format('%I.workflow_status', engine)) is not null then
    execute format(
      $look$ select exists (select from %1$I.jetty_installation where schema = current_schema())
        and not exists (select from %1$I.workflow_status where name <> 'lease')
        and not exists (
          select from %1$I.workflow_status w join leases l on l.id = w.workflow_uuid
          where l.owner = '' and w.status = 'ENQUEUED' and not exists (select from queued_leases where id = l.id)
            and exists (select from runs where lease = l.id and ended_at is null)) $look$, engine) into is_droppable;
  end if;
  if is_droppable then
    begin
      execute format('drop schema %I cascade', engine);
    exception when insufficient_privilege then
      raise notice 'The schema % is of no use any more, and this role may not drop it', engine;
    end;
  end if;
  delete from server where key = 'engine-schema';
end $$;
