-- Lists without child runs: a fan-out of ten thousand would otherwise be read and thrown away for each page. Child runs,
-- which are most of the rows of a busy table, are not in it and pay nothing.
create index runs_top_level on runs (task_id, created_at desc, number desc) where parent_id is null;
