-- Runs that come of other runs, that wait for somebody, that tell somebody, or that repeat what was recorded.

alter table runs
  add column parent_id text,                      -- the run that started it as one of its children
  add column parent_seq int,                      -- at which of its steps
  add column child_index int,                     -- 0-based, in the order of the items
  add column depth smallint not null default 0,   -- how many runs are above it
  add column webhook_url text,                    -- who is told when it has ended
  add column sealed_webhook_secret text,
  add column replay_of text,                      -- the run whose recorded results it takes in the place of the world's
  add column decided_seq int;                     -- the step that somebody has decided last

create index runs_children on runs (parent_id, parent_seq, child_index) where parent_id is not null;
create index runs_open_children on runs (parent_id, parent_seq) where parent_id is not null and ended_at is null;

alter table leases
  add column share int,                           -- how many of its runs may execute at once; null: all
  add column halted boolean not null default false; -- its runs that have not begun are not begun any more

-- Where a step's result was taken from that was not executed here: {trajectory_id, task, step, kind}.
alter table steps add column origin text;

-- As `runs_sealed`: a change of the encryption key walks the webhooks that are signed.
create index runs_sealed_webhook on runs (id) where sealed_webhook_secret is not null;
