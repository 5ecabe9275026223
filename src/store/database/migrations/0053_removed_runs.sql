-- Runs that were removed by retention, so that watchers of a collection learn of it. Rows stay for a day.
create table removed_runs (
  changed bigint primary key default nextval('changes'),
  collection_id bigint not null references collections on delete cascade,
  runs text not null,                             -- JSON: [{trajectory_id, task}]
  removed_at timestamptz not null default now()
);
create index removed_runs_collection on removed_runs (collection_id, changed);
create index removed_runs_age on removed_runs (removed_at);

-- Watchers of a collection learn of changed labels too. Runs that never had any are not in the index.
create index runs_labels_changed on runs (collection_id, labels_changed) where labels_changed > 0;
