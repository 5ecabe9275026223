import { change, moment, orMissing, queryOne, text } from '../database/table.ts'
import { type KnownKey, knownKey, knownKeyColumns } from './keys.ts'

/** Codes of one token that may be open at once; the oldest give way. */
const mostCodes = 20

/** Stores the code of a sign-in link by its hash. */
export const createSignInCode = change(
  'create_sign_in_code',
  `with surplus as (
     delete from sign_in_codes where code_hash in (
       select code_hash from sign_in_codes where key_id is not distinct from $2::bigint
       order by expires_at desc offset ${mostCodes - 1})
   )
   insert into sign_in_codes (code_hash, key_id, expires_at) values ($1, $2, $3)`,
  (code: { hash: string; keyId: number | null; expiresAt: Date }) => [code.hash, code.keyId, code.expiresAt],
)

/** Takes a code out, so that it is good once. The key is undefined for the admin token. */
export const takeSignInCode = queryOne(
  'take_sign_in_code',
  { code_hash: text, ends_at: moment, ...orMissing(knownKey) },
  `with taken as (delete from sign_in_codes where code_hash = any($1) returning *)
   select t.code_hash, t.expires_at as ends_at, ${knownKeyColumns}
   from taken t left join api_keys k on k.id = t.key_id`,
  (hashes: readonly string[]) => [hashes],
  (row) => {
    if (!row) return undefined
    const { code_hash: hash, ends_at: endsAt, ...key } = row
    return { hash, endsAt, key: key.id === null ? undefined : (key as KnownKey) }
  },
)
