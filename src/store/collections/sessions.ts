import { batched } from '../../lib/batch.ts'
import { now } from '../../lib/time.ts'
import type { Database } from '../database/database.ts'
import { bigint, change, moment, orMissing, orNull, query, queryOne, type Row, text } from '../database/table.ts'
import { type NewAuditRow, noteChange } from './audit.ts'
import { collectionsOfKey, type KnownKey, knownKey, knownKeyColumns } from './keys.ts'

const session = { session_id: bigint, header_hash: text, seen_at: moment, ends_at: moment }
/** A session as authentication reads it. */
export interface KnownSession extends Row<typeof session> {
  /** Undefined: the admin token. */
  key: KnownKey | undefined
}

const findByHashes = query(
  'find_sessions',
  { cookie_hash: text, ...session, ...orMissing(knownKey) },
  `select s.cookie_hash, s.id as session_id, s.header_hash, s.last_seen_at as seen_at, s.expires_at as ends_at,
     ${knownKeyColumns}
   from sessions s left join api_keys k on k.id = s.key_id where s.cookie_hash = any($1)`,
  (hashes: readonly string[]) => [[...new Set(hashes)]],
  (rows) =>
    rows.map(({ cookie_hash, session_id, header_hash, seen_at, ends_at, ...key }): [string, KnownSession] => [
      cookie_hash,
      { session_id, header_hash, seen_at, ends_at, key: key.id === null ? undefined : (key as KnownKey) },
    ]),
)

/** Finds a session by a hash of its cookie; concurrent lookups share one query. Not cached, as keys are not. */
export const makeSessionFinder = (database: Database): ((cookieHash: string) => Promise<KnownSession | undefined>) =>
  batched<string, KnownSession | undefined>(async (hashes) => {
    const byHash = new Map(await findByHashes(database, hashes))
    return hashes.map((hash) => byHash.get(hash))
  })

/** When sessions end, by their ids; one that has been ended is not in the list. */
export const findSessionEnds = query(
  'find_session_ends',
  { id: bigint, expires_at: moment },
  'select id, expires_at from sessions where id = any($1)',
  (ids: readonly number[]) => [ids],
)

const touchSessions = change(
  'touch_sessions',
  `update sessions set last_seen_at = now()
   where id = any($1) and last_seen_at < now() - interval '1 minute'`,
  (ids: readonly number[]) => [[...new Set(ids)].sort((a, b) => a - b)],
)

/** Records the last use of sessions, at most once a minute each; its failures are ignored. */
export const makeSessionToucher = (database: Database): ((session: KnownSession) => void) => {
  const touch = batched<number, void>(async (ids) => {
    await touchSessions(database, ids)
    return ids.map(() => undefined)
  })
  return ({ session_id, seen_at }) => {
    if (now() - seen_at.getTime() > 60_000) touch(session_id).catch(() => {})
  }
}

interface NewSession {
  cookieHash: string
  headerHash: string
  keyId: number | null
  agent: string
  expiresAt: Date
}

/** Sessions of one token; the least recently made ones give way. */
const mostSessions = 100

const insertSession = queryOne(
  'create_session',
  { id: bigint },
  `insert into sessions (cookie_hash, header_hash, key_id, agent, expires_at)
   select $1, $2, $3::bigint, $4, $5
   where $3::bigint is null or exists (select from api_keys where id = $3 for key share) returning id`,
  (made: NewSession) => [made.cookieHash, made.headerHash, made.keyId, made.agent, made.expiresAt],
)
const limitSessions = change(
  'limit_sessions',
  `delete from sessions where id in (
     select id from sessions where key_id is not distinct from $1::bigint order by id desc offset ${mostSessions})`,
  (keyId: number | null) => [keyId],
)

/** Stores a session and its entry in the audit trail; returns its id. Undefined: its key was deleted meanwhile. */
export const createSession = (
  database: Database,
  session: NewSession,
  audit: NewAuditRow,
): Promise<number | undefined> =>
  database.transaction(async (queries) => {
    const { keyId } = session
    const row = await insertSession(queries, session)
    if (!row) return undefined
    await limitSessions(queries, keyId)
    const covered = keyId === null ? [] : await collectionsOfKey(queries, keyId)
    await noteChange(queries, { ...audit, target: String(row.id) }, {}, covered)
    return row.id
  })

const shown = {
  id: bigint,
  /** The key it was made with; null: the admin token. */
  key_id: orNull(bigint),
  key_name: orNull(text),
  key_prefix: orNull(text),
  /** User-Agent of the browser. */
  agent: text,
  created_at: moment,
  last_seen_at: moment,
  expires_at: moment,
}
export type SessionRow = Row<typeof shown>

/** The sessions that a caller may see: those of a key, or all (`admin`). */
export type SessionScope = { keyId: number } | 'admin'

const sessionColumns = `s.id, s.key_id, k.name as key_name, k.key_prefix, s.agent, s.created_at, s.last_seen_at, s.expires_at`
const fromSessions = 'from sessions s left join api_keys k on k.id = s.key_id'

interface Page {
  before: number
  limit: number
}

const listAll = query(
  'list_sessions',
  shown,
  `select ${sessionColumns} ${fromSessions} where s.id < $1 and s.expires_at > now() order by s.id desc limit $2`,
  ({ before, limit }: Page) => [before, limit],
)
const listOfKey = query(
  'list_sessions_of_key',
  shown,
  `select ${sessionColumns} ${fromSessions}
   where s.key_id = $1 and s.id < $2 and s.expires_at > now() order by s.id desc limit $3`,
  (keyId: number, { before, limit }: Page) => [keyId, before, limit],
)

/** Lists one page of sessions below an id, newest first. */
export const listSessions = (database: Database, scope: SessionScope, page: Page): Promise<SessionRow[]> =>
  scope === 'admin' ? listAll(database, page) : listOfKey(database, scope.keyId, page)

export const findSessionRow = queryOne(
  'find_session',
  shown,
  `select ${sessionColumns} ${fromSessions} where s.id = $1`,
  (id: number) => [id],
)

/** Ends a session; returns whose it was. Undefined: there is none of this id in the scope. */
export const endSession = queryOne(
  'end_session',
  { keyId: orNull(bigint) },
  'delete from sessions where id = $1 and ($2::bigint is null or key_id = $2) returning key_id as "keyId"',
  (scope: SessionScope, id: number) => [id, scope === 'admin' ? null : scope.keyId],
)

/** Ends all sessions of a key, or of the admin token (null), but one; returns how many. */
export const endSessionsOf = query(
  'end_sessions',
  {},
  `delete from sessions where key_id is not distinct from $1::bigint and id is distinct from $2::bigint returning 1`,
  (keyId: number | null, butId?: number) => [keyId, butId ?? null],
  (ended) => ended.length,
)

const sweptAtOnce = 1000
const sweepOf = (table: string, id: string) =>
  change(
    `sweep_${table}`,
    `delete from ${table} where ${id} in (
         select ${id} from ${table} where expires_at < now() order by expires_at limit ${sweptAtOnce})`,
  )
const sweeps = [sweepOf('sessions', 'id'), sweepOf('sign_in_codes', 'code_hash')]

/** Removes sessions and codes of sign-in links that have expired. */
export const sweepSessions = async (database: Database): Promise<void> => {
  for (const sweep of sweeps) await sweep(database)
}

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
