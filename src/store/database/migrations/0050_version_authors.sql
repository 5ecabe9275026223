-- Who saved a version of a task, and why.
alter table task_versions
  add column author text,                          -- null: the server itself, or saved before authors were kept
  add column note text;
