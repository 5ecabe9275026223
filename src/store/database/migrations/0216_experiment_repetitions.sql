-- Experiments that execute each run several times. See docs/decisions/0169-experiments.md.
alter table experiments add column repeat int not null default 1;
alter table experiment_items
  add column arm text not null default 'candidate', -- candidate, or base: the recorded version once more
  add column repetition int not null default 0,     -- 0-based
  add column first_n int;                           -- the item of the same recorded run with repetition 0
update experiment_items set first_n = n;
alter table experiment_items alter column first_n set not null;
