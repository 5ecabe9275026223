-- Calls that carry an Idempotency-Key, for as long as a repetition gets the first answer.
create table idempotency_keys (
  scope text primary key,                         -- sha-256 of who called what, with which key
  fingerprint text not null,                      -- sealed: the hash of a body with secrets in it
  run_key text,                                   -- the run it started or is about to start, by its internal key
  answer text,                                    -- where there is no run to answer from
  created_at timestamptz not null default now()
);
create index idempotency_keys_created on idempotency_keys (created_at);
