-- Sessions of browsers, each in two halves: the cookie and the value that its page keeps. Both are stored by their hash.
create table sessions (
  id bigint generated always as identity primary key,
  cookie_hash text not null unique,               -- with the admin token hashed in, so that a new token ends its sessions
  header_hash text not null,
  key_id bigint references api_keys on delete cascade,    -- null: the admin token
  agent text not null,                            -- User-Agent of the browser that signed in
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  last_seen_at timestamptz not null default now()
);
create index sessions_key on sessions (key_id, id desc);
create index sessions_end on sessions (expires_at);

-- Codes of sign-in links, good once.
create table sign_in_codes (
  code_hash text primary key,                     -- as for cookies
  key_id bigint references api_keys on delete cascade,    -- null: the admin token
  expires_at timestamptz not null
);
create index sign_in_codes_key on sign_in_codes (key_id);
create index sign_in_codes_end on sign_in_codes (expires_at);
