-- A key has a home collection: the one meant where a request names none. Every key starts with the collection that it was
-- made for. A key outlives its home where it covers other collections, so the column may be null from now on.

alter table api_keys rename column collection_id to home_collection_id;
alter table api_keys alter column home_collection_id drop not null;
alter table api_keys drop constraint api_keys_collection_id_fkey;
alter table api_keys add constraint api_keys_home_collection foreign key (home_collection_id)
  references collections on delete set null;
