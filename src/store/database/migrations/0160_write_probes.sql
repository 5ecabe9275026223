-- The watch of each server process writes here, since a database with a full disk still answers reads
-- (docs/decisions/0133-a-full-disk-is-an-outage.md). Rows of space_probe are never committed.
create table write_probe (id smallint primary key, at timestamptz not null);
create unlogged table space_probe (filler text not null);
