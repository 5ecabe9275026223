-- Collections that have a collector of their own, beside that of the server.
alter table trace_exports add column collection_id bigint references collections on delete cascade;
create unique index trace_exports_collection on trace_exports (collection_id);
