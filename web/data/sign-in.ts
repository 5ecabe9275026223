import { api } from './api.ts'
import { beginSession, forgetSession } from './session.ts'

/** Begins a session with a key, or with the code of a sign-in link. Throws an AppError that says why it was refused. */
export const signIn = async (proof: { token: string } | { code: string }): Promise<void> => {
  const { session } = await api.signIn({ body: proof })
  beginSession(session)
}

/** Ends the session here, and on the server where that answers. */
export const signOut = async (): Promise<void> => {
  await api.signOut().catch(() => undefined)
  forgetSession()
}

/** Ends all sessions of the key that this browser has signed in with; throws when the server does not answer. */
export const signOutEverywhere = async (): Promise<void> => {
  await api.endSessions()
  forgetSession()
}

/** Where a sign-in leads back to: a path of this server, and nothing else. */
export const pathAfter = (next: string | undefined): string =>
  next !== undefined && /^\/(?![/\\])/.test(next) && !next.startsWith('/sign-in') ? next : '/'
