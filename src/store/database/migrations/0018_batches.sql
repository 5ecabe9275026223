-- How far the runs of a batch are, without counting all of them: those that are open are found already (0014), and so is
-- the last one that was begun; here are those that ended otherwise than most. What they cost stands under their keys,
-- which begin with the key of the run that started them.

create index runs_children_unusual on runs (parent_id, parent_seq, status, child_index)
  where parent_id is not null and ended_at is not null and status <> 'completed';

create index run_spending_children on run_spending (run_id text_pattern_ops) where position('/' in run_id) > 0;
