-- What the statistics of a task are read from: kept in the statements that end its runs and steps, so that nothing is
-- counted when somebody asks. A row a shard, as in run_counts: processes do not queue for one another.

-- Milliseconds from one moment to another. Not strict: a strict function of this kind is not inlined. Not `extract`,
-- which answers with a numeric: the statement that ends steps spends its time in here.
create function elapsed_ms(begun timestamptz, ended timestamptz) returns bigint language sql immutable
  as $$ select greatest(0, round(date_part('epoch', ended - begun) * 1000))::bigint $$;

-- Buckets of a histogram whose bounds grow by an eighth of an octave (as in HDR histograms and DDSketch): whichever value
-- of a bucket is meant, its middle is at most 4.4 % off. Bucket 0 is what took no millisecond.
create function duration_bucket(ms bigint) returns int language sql immutable
  as $$ select case when ms < 1 then 0 else 1 + floor(8 * ln(ms::float8) / ln(2::float8))::int end $$;

-- Runs that have ended, by the status they have now.
create table run_totals (
  task_id bigint not null,
  shard smallint not null,
  status text collate "C" not null,
  total bigint not null,
  ms bigint not null,                             -- of all of them, from created to ended
  min_ms bigint,
  max_ms bigint,
  primary key (task_id, shard, status)
) with (fillfactor = 50);

-- How long they took.
create table duration_totals (
  task_id bigint not null,
  shard smallint not null,
  bucket int not null,
  total bigint not null,
  primary key (task_id, shard, bucket)
) with (fillfactor = 50);

-- Steps that have ended. By name before shard: what a task of very many steps shows is the beginning of one index scan.
create table step_totals (
  task_id bigint not null,
  step text collate "C" not null,
  shard smallint not null,
  seq int not null,                               -- its place in the workflow when it ended first
  total bigint not null,
  failed bigint not null,
  ms bigint not null,
  primary key (task_id, step, shard)
) with (fillfactor = 50);

-- Written with the step, so that the statement that ends it need not look for its run. Null in older rows.
alter table steps add column task_id bigint;

insert into run_totals (task_id, shard, status, total, ms, min_ms, max_ms)
select task_id, 0, status, count(*), sum(ms), min(ms), max(ms)
from (select task_id, status, elapsed_ms(created_at, ended_at) ms from runs where ended_at is not null) ended
group by task_id, status;

insert into duration_totals (task_id, shard, bucket, total)
select task_id, 0, duration_bucket(elapsed_ms(created_at, ended_at)), count(*)
from runs where ended_at is not null group by 1, 3;

insert into step_totals (task_id, step, shard, seq, total, failed, ms)
select r.task_id, s.name, 0, min(s.seq), count(*), count(*) filter (where s.status = 'failed'),
  sum(elapsed_ms(s.started_at, s.ended_at))
from steps s join runs r on r.id = s.run_id where s.ended_at is not null group by r.task_id, s.name;
