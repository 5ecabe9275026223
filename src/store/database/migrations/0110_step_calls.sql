-- What a chat step with tools has done so far: each answer of the model and each tool call, written as it ends. A step that
-- is resumed goes on after its last row.
create table step_calls (
  run_id text not null,
  seq int not null,                               -- of the step
  n int not null,                                 -- 0-based in the step, over all its attempts
  at timestamptz not null,
  call text not null,                             -- JSON text, secrets struck out
  primary key (run_id, seq, n)                    -- what is sent again is written once
);

-- Rows of step_calls at the last death of a process: a step that has come further since is not what killed it.
alter table runs add column death_calls int not null default 0;
