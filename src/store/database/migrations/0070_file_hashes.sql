-- SHA-256 of the bytes in hex, to verify copies and restores; null for files that are older than this column.
alter table files add column sha256 text;
