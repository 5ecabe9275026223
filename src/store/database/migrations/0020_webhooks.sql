-- Webhooks: whom to tell that a run has ended, and what came of it.

-- A row as long as there is something to deliver.
create table webhook_queue (
  run_id text primary key,
  collection_id bigint not null,
  tries int not null default 0,                   -- attempts that have failed; those by hand are not counted
  due_at timestamptz not null default '-infinity', -- the next attempt; of one under way, when it is thought lost
  claim int not null default 0                    -- rises with every attempt: an older one decides nothing any more
);
create index webhook_queue_due on webhook_queue (due_at);

create table webhook_attempts (
  id bigint generated always as identity primary key,
  run_id text not null,
  by_hand boolean not null,
  delivered boolean not null,
  status_code int,                                -- null: there was no answer
  error text,
  started_at timestamptz not null,
  duration_ms int not null
);
create index webhook_attempts_run on webhook_attempts (run_id, id);

-- Queued by the statement that ends the run, whichever that is: there is no end without it, and nothing without an end.
create function queue_webhook() returns trigger language plpgsql as $$
begin
  insert into webhook_queue (run_id, collection_id) values (new.id, new.collection_id) on conflict do nothing;
  return null;
end $$;
create trigger webhook_of_ended_run after update of ended_at on runs for each row
  when (new.webhook_url is not null and old.ended_at is null and new.ended_at is not null)
  execute function queue_webhook();

-- A change of the encryption key walks the runs that have such a secret, however many runs there are.
create index runs_webhook_sealed on runs (id) where sealed_webhook_secret is not null;
