-- What became of the fires of routines, some hundred of each: which started a run, and why the others did not.
create table routine_fires (
  routine_id bigint not null references routines on delete cascade,
  fire_at timestamptz not null,
  outcome text not null,                           -- started, skipped, missed
  reason text,
  primary key (routine_id, fire_at)
);
