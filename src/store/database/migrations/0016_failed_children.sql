-- A step that stops at the first failure asks for one while its runs are under way, and there may be many of them.
create index runs_failed_children on runs (parent_id, parent_seq, child_index)
  where parent_id is not null and status in ('failed', 'cancelled');
