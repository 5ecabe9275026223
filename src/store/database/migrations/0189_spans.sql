-- Traces of other programs: each is a run that was executed elsewhere, and each of its spans one of its steps.
alter table steps add column span text;           -- {id, parent, name, kind, scope}; null for steps that were executed here

create table spans (
  run_id text not null,
  span_id text not null,                          -- 16 hexadecimal digits, unique in its trace
  seq int not null,                               -- its step
  name text not null,
  attributes text not null,                       -- as they came, without secrets: {attributes, resource, events}
  primary key (run_id, span_id)
);
