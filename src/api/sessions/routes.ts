import { type Credentials, refuseOtherPages, sessionCookieName } from '../../http/authorise.ts'
import { originOf } from '../../http/cors.ts'
import { type AnyCall, implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { hashToken } from '../../lib/secrets/crypto.ts'
import { hashWithToken, newSessionSecret } from '../../lib/secrets/session-secrets.ts'
import { now, timestamp } from '../../lib/time.ts'
import type { Identity } from '../../model/collections/identity.ts'
import { type ShownSession, sessionSchema } from '../../model/collections/session.ts'
import { collectionsOfKey } from '../../store/collections/keys.ts'
import {
  createSession,
  createSignInCode,
  endSession,
  endSessionsOf,
  findSessionRow,
  listSessions,
  type SessionRow,
  type SessionScope,
} from '../../store/collections/sessions.ts'
import type { Database } from '../../store/database/database.ts'
import { auditRow } from '../audit/trail.ts'
import { whoami } from '../health/whoami.ts'
import { serializeRow } from '../serialize-row.ts'
import { sessionsContract } from './contract.ts'

/** Lifetime of a sign-in link. */
const goodForMs = 10 * 60_000

/**
 * Makes a link that signs a browser in once. The code is the fragment of the URL, which browsers send to no server, so no
 * log has it.
 */
export const makeSignInLink = async (
  deps: { database: Database; adminToken: string },
  link: { keyId: number | null; baseUrl: string },
): Promise<{ url: string; expiresAt: Date }> => {
  const code = newSessionSecret('code')
  const expiresAt = new Date(now() + goodForMs)
  const hash = link.keyId === null ? hashWithToken(code, deps.adminToken) : hashToken(code)
  await createSignInCode(deps.database, { hash, keyId: link.keyId, expiresAt })
  return { url: `${link.baseUrl}/sign-in#once=${code}`, expiresAt }
}

interface CookieOptions {
  /** Host header of the request. */
  host: string | undefined
  /** True if browsers reach the server over HTTPS. */
  isSecure: boolean
}

const attributes = ({ isSecure }: CookieOptions): string =>
  `; Path=/; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`

/** Set-Cookie value for the cookie half of a session. */
const sessionCookieText = (value: string, seconds: number, options: CookieOptions): string =>
  `${sessionCookieName(options.host)}=${value}; Max-Age=${seconds}${attributes(options)}`

/** Set-Cookie value that removes it. */
const noSessionCookieText = (options: CookieOptions): string =>
  `${sessionCookieName(options.host)}=; Max-Age=0${attributes(options)}`

interface SessionsDeps {
  database: Database
  adminToken: string
  authenticate(credentials: Credentials, address?: string): Promise<Identity>
  settings: { publicUrl: string | undefined; sessionDays: number }
  links: { readonly publicUrl: string }
}

const agentLength = 200

const noSession = (): AppError =>
  new AppError('not_found', 'This request was made with a token, not with a session', {
    hint: 'A session is a cookie and the header X-Jetty-Session; POST /api/v1/session makes one.',
  })

const sessionNotFound = () => new AppError('not_found', 'Session not found')

const sessionOf = ({ sessionId }: Identity): number => {
  if (sessionId === undefined) throw noSession()
  return sessionId
}

const scopeOf = ({ keyId }: Identity): SessionScope => (keyId === null ? 'admin' : { keyId })

const shownTo = (identity: Identity, row: SessionRow): ShownSession =>
  serializeRow(sessionSchema, row, { is_current: row.id === identity.sessionId })

/** Makes the function that stores a new session and sets its cookie. */
const makeOpenSession =
  ({ database, adminToken, settings }: SessionsDeps) =>
  async (identity: Identity, { headers, addHeaders }: Pick<AnyCall, 'headers' | 'addHeaders'>) => {
    const [cookie, header] = [newSessionSecret('cookie'), newSessionSecret('header')]
    const seconds = settings.sessionDays * 86_400
    const expiresAt = new Date(now() + seconds * 1000)
    const session = {
      cookieHash: identity.keyId === null ? hashWithToken(cookie, adminToken) : hashToken(cookie),
      headerHash: hashToken(header),
      keyId: identity.keyId,
      agent: (headers['user-agent'] ?? '').slice(0, agentLength),
      expiresAt,
    }
    const entry = { identity, collection: undefined, operation: 'signIn', target: '', changes: {} }
    const id = await createSession(database, session, auditRow(entry))
    if (id === undefined) throw new AppError('unauthenticated', 'Invalid or inactive API key')
    const isSecure = settings.publicUrl?.startsWith('https:') ?? false
    addHeaders({ 'set-cookie': sessionCookieText(cookie, seconds, { host: headers.host, isSecure }) })
    return { session: header, expires_at: timestamp(expiresAt) }
  }

export const sessionsRoutes = (deps: SessionsDeps): Route[] => {
  const { database, adminToken, authenticate, settings, links } = deps
  const publicOrigin = originOf(settings.publicUrl)
  const isSecure = settings.publicUrl?.startsWith('https:') ?? false
  const openSession = makeOpenSession(deps)
  /** Names the collections whose audit trail records a session: those of its key. The admin token has none. */
  const concernedBy = async (keyId: number | null) => (keyId === null ? [] : collectionsOfKey(database, keyId))

  return implement(sessionsContract, {
    signIn: async (call) => {
      const { body, headers, address } = call
      refuseOtherPages(headers, publicOrigin)
      const { token, code = '' } = body
      const identity = await authenticate(
        token === undefined ? { kind: 'code', code } : { kind: 'token', header: `Bearer ${token}` },
        address,
      )
      return { ...(await openSession(identity, call)), identity: await whoami(database, identity) }
    },

    getSession: async ({ identity }) => {
      const row = await findSessionRow(database, sessionOf(identity))
      if (!row) throw sessionNotFound()
      return { ...shownTo(identity, row), identity: await whoami(database, identity) }
    },

    signOut: async ({ identity, headers, addHeaders, note }) => {
      const id = sessionOf(identity)
      const ended = await endSession(database, scopeOf(identity), id)
      addHeaders({ 'set-cookie': noSessionCookieText({ host: headers.host, isSecure }) })
      note({ target: String(id), collections: await concernedBy(identity.keyId) })
      return { ended: ended ? 1 : 0 }
    },

    createSignInLink: async ({ identity, headers, note }) => {
      if (identity.sessionId !== undefined) {
        throw new AppError('forbidden', 'A session cannot make sign-in links', {
          hint: 'Make the link with the token: jetty sign-in. What runs in a page can then carry no session elsewhere.',
        })
      }
      // Without a public address: the one by which the caller has reached the server.
      const baseUrl = settings.publicUrl ?? (headers.host ? `http://${headers.host}` : links.publicUrl)
      const { url, expiresAt } = await makeSignInLink({ database, adminToken }, { keyId: identity.keyId, baseUrl })
      note({ collections: await concernedBy(identity.keyId) })
      return { url, expires_at: timestamp(expiresAt) }
    },

    listSessions: async ({ identity, query }) => {
      const before = query.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(query.cursor)
      const rows = await listSessions(database, scopeOf(identity), { before, limit: query.limit + 1 })
      const page = rows.slice(0, query.limit)
      const more = rows.length > query.limit
      return {
        sessions: page.map((row) => shownTo(identity, row)),
        next_cursor: more ? String(page.at(-1)?.id) : null,
        has_more: more,
      }
    },

    endSession: async ({ params, identity, note }) => {
      const id = /^[1-9]\d{0,14}$/.test(params.id) ? Number(params.id) : 0
      const ended = await endSession(database, scopeOf(identity), id)
      if (!ended) throw sessionNotFound()
      note({ collections: await concernedBy(ended.keyId) })
      return { ended: 1 }
    },

    endSessions: async ({ identity, query, headers, addHeaders, note }) => {
      const kept = query.keep === 'current' ? sessionOf(identity) : undefined
      const ended = await endSessionsOf(database, identity.keyId, kept)
      if (identity.sessionId !== undefined && kept === undefined) {
        addHeaders({ 'set-cookie': noSessionCookieText({ host: headers.host, isSecure }) })
      }
      note({ changes: { ended }, collections: await concernedBy(identity.keyId) })
      return { ended }
    },
  })
}
