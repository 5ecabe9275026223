-- Search of datasets and models finds a text anywhere in names, descriptions and metadata: trigrams of these lead to the
-- few rows that can hold it. The rows of others come first in the index of private ones, so that a caller's search never
-- reads them. A database that does not allow the extensions is searched row by row.
do $$
begin
  create extension if not exists pg_trgm;
  create extension if not exists btree_gin;
  create index entities_public_text on entities
    using gin (name gin_trgm_ops, long_description gin_trgm_ops, left(metadata, 100000) gin_trgm_ops) where not is_private;
  create index entities_private_text on entities
    using gin (collection_id, name gin_trgm_ops, long_description gin_trgm_ops, left(metadata, 100000) gin_trgm_ops)
    where is_private;
exception
when insufficient_resources or transaction_rollback then
  raise; -- a full disk is no decision: the next start tries again
when others then
  raise notice 'entities are searched without an index: %', sqlerrm;
end
$$;
