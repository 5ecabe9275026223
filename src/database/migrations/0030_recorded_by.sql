-- Who sent a label or an ingested run, as the server knows it: `author` stays what the sender wrote. Null: recorded before
-- this was noted. Runs that this server started have none of their own, for their author is what the server knows.

alter table labels add column recorded_by text;
alter table runs add column recorded_by text;
