-- Workers of a key, the longest unseen first; 0 stands for the admin token. A registration counts them.
create index workers_of_key on workers (coalesce(key_id, 0), seen_at);
