-- Tokens of the model calls of a run, beside what they cost. A row is written for calls without a known price too: its
-- cost is null then. Null tokens: recorded before this was noted.
alter table run_spending alter column usd drop not null;
alter table run_spending add column tokens bigint;
