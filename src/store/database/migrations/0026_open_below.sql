-- Open runs below a run, at any depth, are one range of an index: the key of a run begins with the key of its parent.
-- Equality works with this operator class too, so it takes the place of the older index.
create index runs_open_below on runs (parent_id text_pattern_ops, parent_seq)
  where parent_id is not null and ended_at is null;
drop index runs_open_children;

-- Counts the open runs of a collection that other runs have started.
create index runs_open_started on runs (collection_id) where parent_id is not null and ended_at is null;
