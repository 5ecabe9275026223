-- Approvals in the streams of collections, and decided ones in a list.
alter table approvals add column changed bigint not null default nextval('changes');
create index approvals_changed on approvals (collection_id, changed);
create index approvals_decided on approvals (collection_id, decided_at desc, number desc) where decision is not null;
