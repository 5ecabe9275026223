-- A watcher of a run must learn of labels that were removed as well: the number of the newest change of its labels
-- stands with the run. The labels themselves need none then.
alter table runs add column labels_changed bigint not null default 0;
alter table labels drop column changed;

-- What changed in a collection, in the order of change; and what there is of it, when it is deleted.
create index runs_changed on runs (collection_id, changed);
