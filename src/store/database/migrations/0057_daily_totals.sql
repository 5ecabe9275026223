-- Statistics by day: the histogram of durations has the day (UTC) on which a run ended, and its status.
drop table duration_totals;
create table duration_totals (
  task_id bigint not null,
  day date not null,
  shard smallint not null,
  status text collate "C" not null,
  bucket int not null,
  total bigint not null,
  primary key (task_id, day, shard, status, bucket)
) with (fillfactor = 50);

insert into duration_totals (task_id, day, shard, status, bucket, total)
select task_id, (ended_at at time zone 'UTC')::date, 0, status, duration_bucket(elapsed_ms(created_at, ended_at)), count(*)
from runs where ended_at is not null group by 1, 2, 4, 5;

-- And spending has the task and the model. Task 0: recorded before this was noted, or a call without a record.
alter table spending add column task_id bigint not null default 0;
alter table spending add column model text collate "C" not null default '';
alter table spending add column calls bigint not null default 0;
alter table spending drop constraint spending_pkey;
alter table spending add primary key (collection_id, day, task_id, model, shard);
