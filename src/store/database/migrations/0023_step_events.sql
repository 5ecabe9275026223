-- What coding agents did while a step carried a runbook out, written while it goes on.
create table step_events (
  run_id text not null,
  seq int not null,                               -- of the step
  n int not null,                                 -- 0-based in the step, over all its attempts
  at timestamptz not null,
  event text not null,                            -- JSON text, secrets struck out, 64 KiB at most
  changed bigint not null default nextval('changes'),
  primary key (run_id, seq, n)                    -- what is sent again is written once
);
-- In the order in which they are told.
create index step_events_changed on step_events (run_id, changed);
