-- Who sent a label or an ingested run, as the server knows it: `author` stays what the sender wrote. Null: recorded before
-- this was noted. Runs that this server started have none of their own, for their author is what the server knows.

alter table labels add column recorded_by text;
alter table runs add column recorded_by text;

-- Ids of ingested runs are compared in their task alone, those of eight hex digits too: a refusal told whether a run of
-- another collection has the id.
drop index runs_trajectory_id;
create unique index runs_trajectory_id on runs (trajectory_id, (case when ingested then task_id else 0 end));
