-- Datasets and trained models. JSON that came from a caller is kept as text, so that the order of its keys survives.
create table entities (
  id bigint generated always as identity primary key,
  collection_id bigint not null references collections on delete cascade,
  kind text not null,                              -- dataset or trained_model
  name text not null,
  path text,                                       -- data_path or model_path
  format text,
  metadata_version text,                           -- also a tag of the version that it was saved with
  metadata text,                                   -- dataset_metadata or model_metadata
  attributes text,                                 -- model_attributes
  asset_origin text,
  long_description text,
  is_private boolean not null,
  croissant_metadata text,
  preview_type text,
  item_schema text,                                -- JSON Schema of each item
  splits text,                                     -- {name: weight}
  version int not null default 0,                  -- seq of the newest version
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index entities_name on entities (collection_id, kind, lower(name));
create index entities_kind on entities (kind, id);

-- What an entity has been. A row is written by the transaction that changes the entity, and never changed.
create table entity_versions (
  id bigint generated always as identity,          -- shown as transaction_id
  entity_id bigint not null references entities on delete cascade,
  seq int not null,                                -- 0-based, without gaps: the entity's row is locked while one is added
  operation_type text not null,                    -- INSERT or UPDATE
  content_hash text not null,
  data text not null,                              -- the content as JSON
  tag text,                                        -- metadata_version when it was saved
  author text,
  created_at timestamptz not null,
  primary key (entity_id, seq)
);
create index entity_versions_hash on entity_versions (entity_id, content_hash, seq desc);
create index entity_versions_tag on entity_versions (entity_id, left(tag, 200), seq desc) where tag is not null;

-- Files of a dataset: data files by their number, and the preview without one.
create table dataset_files (
  path text primary key references files on update cascade on delete cascade,
  dataset_id bigint not null references entities on delete cascade,
  number int
);
create unique index dataset_files_number on dataset_files (dataset_id, coalesce(number, -1));

-- Names that somebody gave to versions; a tag may move.
create table entity_tags (
  entity_id bigint not null,
  tag text not null,
  seq int not null,
  author text not null,
  created_at timestamptz not null default now(),
  primary key (entity_id, tag),
  foreign key (entity_id, seq) references entity_versions on delete cascade
);
create index entity_tags_version on entity_tags (entity_id, seq);
