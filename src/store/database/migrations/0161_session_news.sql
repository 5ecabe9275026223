-- Tells every process that a session has ended, as of keys: streams that were opened with it end.
create trigger told after delete on sessions for each statement execute function tell_access();
