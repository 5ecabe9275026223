-- Runs that try another version of their task on a recorded run. See docs/decisions/0169-experiments.md.
alter table runs add column trial text;           -- JSON text: the recorded run, and the writing steps that are executed; null: none
