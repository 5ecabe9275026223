import type { Database } from '../database/database.ts'
import { type KnownKey, knownKeyColumns } from './keys.ts'

/** Codes of one token that may be open at once; the oldest give way. */
const mostCodes = 20

/** Stores the code of a sign-in link by its hash. */
export const createSignInCode = async (
  database: Database,
  code: { hash: string; keyId: number | null; expiresAt: Date },
): Promise<void> => {
  await database.rows(
    'create_sign_in_code',
    `with surplus as (
       delete from sign_in_codes where code_hash in (
         select code_hash from sign_in_codes where key_id is not distinct from $2::bigint
         order by expires_at desc offset ${mostCodes - 1})
     )
     insert into sign_in_codes (code_hash, key_id, expires_at) values ($1, $2, $3)`,
    [code.hash, code.keyId, code.expiresAt],
  )
}

/** Takes a code out, so that it is good once. The key is undefined for the admin token. */
export const takeSignInCode = async (
  database: Database,
  hashes: readonly string[],
): Promise<{ hash: string; endsAt: Date; key: KnownKey | undefined } | undefined> => {
  const [row] = await database.rows<{ code_hash: string; ends_at: Date } & (KnownKey | { id: null })>(
    'take_sign_in_code',
    `with taken as (delete from sign_in_codes where code_hash = any($1) returning *)
     select t.code_hash, t.expires_at as ends_at, ${knownKeyColumns}
     from taken t left join api_keys k on k.id = t.key_id`,
    [hashes],
  )
  if (!row) return undefined
  const { code_hash, ends_at, ...key } = row
  return { hash: code_hash, endsAt: ends_at, key: key.id === null ? undefined : key }
}
