-- How far traces have been sent to the collector of the operator (docs/decisions/0156-export-of-traces-by-a-cursor.md).
create table trace_exports (
  destination text primary key,                   -- 'server': the collector of OTEL_EXPORTER_OTLP_ENDPOINT
  position bigint not null,                       -- every run that ended with a change number up to this one is sent
  run_id text,                                    -- the run after it of which a part is sent
  step int not null default 0,                    -- the first step of that run that is not sent
  call int,                                       -- the first row of step_calls of that step that is not sent; null: nor is the step
  failures int not null default 0,                -- attempts that failed since the last that succeeded
  holder text,                                    -- the process that sends
  held_until timestamptz not null default '-infinity' -- nobody else sends before
);
