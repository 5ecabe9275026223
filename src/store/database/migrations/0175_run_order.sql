-- Lists of runs by duration and by cost (docs/decisions/0139-lists-of-runs-in-three-orders.md).

-- US dollars of the run's own model calls, written by the statement that ends it; null: unknown, or it made none. While a
-- run is open, run_spending has it.
alter table runs add column cost_usd double precision;

update runs r set cost_usd = p.usd from run_spending p
where p.run_id = r.id and p.usd is not null and r.ended_at is not null;

-- A gateway call is a run with one step, whose outputs state the cost.
update runs r set cost_usd = c.usd::double precision
from (
  select s.run_id, substring(coalesce(s.outputs, (select body from payloads where id = s.outputs_payload))
    from '"cost_usd":(\d+(?:\.\d+)?(?:e[+-]?\d+)?)') as usd
  from steps s where s.seq = 0 and s.epoch = 0 and s.name = 'completion') c
where c.run_id = r.id and c.usd is not null and not r.ingested and r.cost_usd is null;

-- Top-level runs (0) and child runs (1) apart, so that a list of either reads no run of the other.
create index runs_duration on runs (task_id, num_nonnulls(parent_id), elapsed_ms(started_at, ended_at) desc, number desc)
  where started_at is not null and ended_at is not null;
create index runs_cost on runs (task_id, num_nonnulls(parent_id), cost_usd desc, number desc) where cost_usd > 0;

-- The same index, by which a run is also found by the beginning of its id.
drop index runs_trajectory_id;
create unique index runs_trajectory_id on runs (trajectory_id text_pattern_ops, (case when ingested then task_id else 0 end));

-- Where actions on many runs go on: a position in a list now has a `place`, whatever the list is sorted by.
update bulk_actions set position = replace(position, 'createdMicros', 'place'), part = replace(part, 'createdMicros', 'place')
where position like '%createdMicros%' or part like '%createdMicros%';
