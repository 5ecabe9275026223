-- Who has recorded a model call lately, the gateway or an exporter of spans: by what names it, such as the id of its answer
-- (docs/decisions/0161-two-witnesses-of-one-call.md). Removed after a day.
create table call_witnesses (
  collection_id bigint not null,
  name text not null,                             -- the id of the answer, or `trace span` of a traceparent
  run_id text not null,
  seq int not null,                               -- the step that records it
  is_gateway boolean not null,
  trace_run text,                                 -- of the gateway's: the run of the trace with a span of the call
  at timestamptz not null default now()
);
create index call_witnesses_by_name on call_witnesses (collection_id, name);
create index call_witnesses_of_trace on call_witnesses (trace_run) where trace_run is not null;
create index call_witnesses_by_age on call_witnesses (at);
