import { createHash, randomBytes } from 'node:crypto'

/** Prefixes of the secrets of a session. They differ from each other and from those of keys. */
const starts = { cookie: 'jsc_', header: 'jsh_', code: 'jso_' } as const

type SessionSecretKind = keyof typeof starts

/** Makes one half of a session, or the code of a sign-in link: 256 random bits. */
export const newSessionSecret = (kind: SessionSecretKind): string =>
  `${starts[kind]}${randomBytes(32).toString('base64url')}`

/** Whether a text could be such a secret; others need no look into the database. */
export const isSessionSecret = (kind: SessionSecretKind, text: string): boolean =>
  text.startsWith(starts[kind]) && /^\w{4}[\w-]{43}$/.test(text)

/**
 * Hash under which a secret is stored when it was made with the admin token. It ends with that token: a new one has other
 * hashes. The token cannot be guessed from it without the secret.
 */
export const hashWithToken = (secret: string, adminToken: string): string =>
  createHash('sha256').update(`${secret}\n${adminToken}`).digest('hex')
