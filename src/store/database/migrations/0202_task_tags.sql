-- Names that somebody gave to versions of tasks; a tag may move. The same as entity_tags.
create table task_tags (
  task_id bigint not null,
  tag text not null,
  seq int not null,
  author text not null,
  created_at timestamptz not null default now(),
  primary key (task_id, tag),
  foreign key (task_id, seq) references task_versions on delete cascade
);
create index task_tags_version on task_tags (task_id, seq);
