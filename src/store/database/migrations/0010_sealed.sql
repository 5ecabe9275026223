-- A change of the encryption key walks the open runs that have secrets, however many runs there are.
create index runs_sealed on runs (id) where sealed_secrets is not null;
