-- Labels that a server process must have to carry out a run, sorted and joined by commas; null: any process may.
-- See docs/decisions/0110-runs-go-to-labelled-servers.md.
alter table runs add column runs_on text;
alter table leases add column runs_on text;
create index leases_runs_on on leases (runs_on) where runs_on is not null;
alter table executors add column labels text[] not null default '{}';
