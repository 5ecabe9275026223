-- A text too short for trigrams is searched in names: those of public entities are read from this index, not from rows that
-- hold metadata.
create index entities_public_names on entities (kind, id) include (name, collection_id) where not is_private;
