-- The version of its task that a routine runs, as somebody named it: a tag, an index, a hash. Null: the newest one.
-- It is resolved at each fire (docs/decisions/0162-versions-found-once.md).
alter table routines add column version text;
