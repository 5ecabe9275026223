import { batched } from '../../lib/batch.ts'
import { now } from '../../lib/time.ts'
import type { Database, Queries } from '../database/database.ts'
import { type NewAuditRow, noteChange } from './audit.ts'
import { collectionsOfKey, type KnownKey, knownKeyColumns } from './keys.ts'

/** A session as authentication reads it. */
export interface KnownSession {
  session_id: number
  header_hash: string
  seen_at: Date
  ends_at: Date
  /** Undefined: the admin token. */
  key: KnownKey | undefined
}

type FoundSession = Omit<KnownSession, 'key'> & { cookie_hash: string } & (KnownKey | { id: null })

const known = ({ session_id, header_hash, seen_at, ends_at, ...rest }: FoundSession): KnownSession => {
  const { cookie_hash: _, ...key } = rest
  return { session_id, header_hash, seen_at, ends_at, key: key.id === null ? undefined : key }
}

/** Finds a session by a hash of its cookie; concurrent lookups share one query. Not cached, as keys are not. */
export const makeSessionFinder = (database: Database): ((cookieHash: string) => Promise<KnownSession | undefined>) =>
  batched<string, KnownSession | undefined>(async (hashes) => {
    const rows = await database.rows<FoundSession>(
      'find_sessions',
      `select s.cookie_hash, s.id as session_id, s.header_hash, s.last_seen_at as seen_at, s.expires_at as ends_at,
         ${knownKeyColumns}
       from sessions s left join api_keys k on k.id = s.key_id where s.cookie_hash = any($1)`,
      [[...new Set(hashes)]],
    )
    const byHash = new Map(rows.map((row) => [row.cookie_hash, known(row)]))
    return hashes.map((hash) => byHash.get(hash))
  })

/** When sessions end, by their ids; one that has been ended is not in the list. */
export const findSessionEnds = (
  queries: Queries,
  ids: readonly number[],
): Promise<{ id: number; expires_at: Date }[]> =>
  queries.rows('find_session_ends', 'select id, expires_at from sessions where id = any($1)', [ids])

/** Records the last use of sessions, at most once a minute each; its failures are ignored. */
export const makeSessionToucher = (database: Database): ((session: KnownSession) => void) => {
  const touch = batched<number, void>(async (ids) => {
    await database.rows(
      'touch_sessions',
      `update sessions set last_seen_at = now()
       where id = any($1) and last_seen_at < now() - interval '1 minute'`,
      [[...new Set(ids)].sort((a, b) => a - b)],
    )
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

/** Stores a session and its entry in the audit trail; returns its id. Undefined: its key was deleted meanwhile. */
export const createSession = (
  database: Database,
  session: NewSession,
  audit: NewAuditRow,
): Promise<number | undefined> =>
  database.transaction(async (queries) => {
    const { cookieHash, headerHash, keyId, agent, expiresAt } = session
    const [row] = await queries.rows<{ id: number }>(
      'create_session',
      `insert into sessions (cookie_hash, header_hash, key_id, agent, expires_at)
       select $1, $2, $3::bigint, $4, $5
       where $3::bigint is null or exists (select from api_keys where id = $3 for key share) returning id`,
      [cookieHash, headerHash, keyId, agent, expiresAt],
    )
    if (!row) return undefined
    await queries.rows(
      'limit_sessions',
      `delete from sessions where id in (
         select id from sessions where key_id is not distinct from $1::bigint order by id desc offset ${mostSessions})`,
      [keyId],
    )
    const covered = keyId === null ? [] : await collectionsOfKey(queries, keyId)
    await noteChange(queries, { ...audit, target: String(row.id) }, {}, covered)
    return row.id
  })

export interface SessionRow {
  id: number
  /** The key it was made with; null: the admin token. */
  key_id: number | null
  key_name: string | null
  key_prefix: string | null
  /** User-Agent of the browser. */
  agent: string
  created_at: Date
  last_seen_at: Date
  expires_at: Date
}

/** The sessions that a caller may see: those of a key, or all (`admin`). */
export type SessionScope = { keyId: number } | 'admin'

const sessionColumns = `s.id, s.key_id, k.name as key_name, k.key_prefix, s.agent, s.created_at, s.last_seen_at, s.expires_at`
const fromSessions = 'from sessions s left join api_keys k on k.id = s.key_id'

/** Lists one page of sessions below an id, newest first. */
export const listSessions = (
  database: Database,
  scope: SessionScope,
  page: { before: number; limit: number },
): Promise<SessionRow[]> =>
  scope === 'admin'
    ? database.rows(
        'list_sessions',
        `select ${sessionColumns} ${fromSessions} where s.id < $1 and s.expires_at > now() order by s.id desc limit $2`,
        [page.before, page.limit],
      )
    : database.rows(
        'list_sessions_of_key',
        `select ${sessionColumns} ${fromSessions}
         where s.key_id = $1 and s.id < $2 and s.expires_at > now() order by s.id desc limit $3`,
        [scope.keyId, page.before, page.limit],
      )

export const findSessionRow = async (database: Database, id: number): Promise<SessionRow | undefined> =>
  (await database.rows<SessionRow>('find_session', `select ${sessionColumns} ${fromSessions} where s.id = $1`, [id]))[0]

/** Ends a session; returns whose it was. Undefined: there is none of this id in the scope. */
export const endSession = async (
  database: Database,
  scope: SessionScope,
  id: number,
): Promise<{ keyId: number | null } | undefined> => {
  const [ended] = await database.rows<{ keyId: number | null }>(
    'end_session',
    'delete from sessions where id = $1 and ($2::bigint is null or key_id = $2) returning key_id as "keyId"',
    [id, scope === 'admin' ? null : scope.keyId],
  )
  return ended
}

/** Ends all sessions of a key, or of the admin token (null), but one; returns how many. */
export const endSessionsOf = async (database: Database, keyId: number | null, butId?: number): Promise<number> =>
  (
    await database.rows(
      'end_sessions',
      `delete from sessions where key_id is not distinct from $1::bigint and id is distinct from $2::bigint returning 1`,
      [keyId, butId ?? null],
    )
  ).length

const sweptAtOnce = 1000

/** Removes sessions and codes of sign-in links that have expired. */
export const sweepSessions = async (database: Database): Promise<void> => {
  for (const [table, id] of [
    ['sessions', 'id'],
    ['sign_in_codes', 'code_hash'],
  ]) {
    await database.rows(
      `sweep_${table}`,
      `delete from ${table} where ${id} in (
         select ${id} from ${table} where expires_at < now() order by expires_at limit ${sweptAtOnce})`,
    )
  }
}
