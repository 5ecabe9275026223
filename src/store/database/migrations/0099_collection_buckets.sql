-- Where the bytes of a data file are that is in the bucket of its collection, as JSON: bucket, endpoint, key. Null: in the
-- storage of the server.
alter table files add column bucket text;
