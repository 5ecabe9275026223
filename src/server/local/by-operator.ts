/** Actor of an audit entry: a person who runs commands on the server's machine needs no key. */
export const byOperator = {
  collection_id: null,
  collection_name: null,
  actor_kind: 'admin',
  key_id: null,
  key_name: null,
  key_prefix: null,
} as const
