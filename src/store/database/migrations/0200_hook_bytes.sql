-- Payloads of deliveries are bounded by their bytes, which the indexes have: no sum reads a payload.

drop index hook_deliveries_list;
create index hook_deliveries_list on hook_deliveries (hook_id, number) include (bytes);
drop index hook_deliveries_waiting;
create index hook_deliveries_waiting on hook_deliveries (hook_id, due_at, number) include (bytes) where state = 'waiting';
