import type { z } from 'zod'
import { answerError, unreachable } from '../../src/client/errors.ts'
import type { whoamiSchema } from '../../src/model/collections/identity.ts'
import { beginSession, forgetSession, sessionHalf } from './session.ts'

export type Whoami = z.output<typeof whoamiSchema>

const path = '/api/v1/session'

/** Begins a session with a key, or with the code of a sign-in link. Throws an AppError that says why it was refused. */
export const signIn = async (proof: { token: string } | { code: string }): Promise<Whoami> => {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(path, { method: 'POST', headers, body: JSON.stringify(proof) }).catch((error) => {
    throw unreachable('', error)
  })
  if (!answer.ok) throw await answerError(answer)
  const { session, identity } = (await answer.json()) as { session: string; identity: Whoami }
  beginSession(session)
  return identity
}

/** Ends the session here, and on the server where it answers. */
export const signOut = async (): Promise<void> => {
  const headers = { 'x-jetty-session': sessionHalf() ?? '' }
  await fetch(path, { method: 'DELETE', headers }).catch(() => undefined)
  forgetSession()
}

/** Where a sign-in leads back to: a path of this server, and nothing else. */
export const pathAfter = (next: string | undefined): string =>
  next !== undefined && /^\/(?![/\\])/.test(next) && !next.startsWith('/sign-in') ? next : '/'
