-- A version that changes only items shares the fields of an earlier version: metadata may be large, and writes of items many.
alter table entity_versions alter column data drop not null;
alter table entity_versions add column fields_seq int;  -- version that has the fields, where data is null
alter table entity_versions add column items text;      -- {count, hash} of the items; null: as in data, or none
