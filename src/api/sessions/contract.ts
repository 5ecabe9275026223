import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import {
  currentSessionSchema,
  sessionPageSchema,
  signedInSchema,
  signInLinkSchema,
  signInSchema,
} from '../../model/collections/session.ts'
import { limitSchema, numberCursorSchema } from '../../model/names.ts'

const tag = 'Sessions'

export const sessionsContract = {
  signIn: endpoint({
    method: 'POST',
    path: '/api/v1/session',
    summary: 'Sign a browser in with a token or the code of a sign-in link; sets the cookie half of the session',
    tag,
    access: 'none',
    body: signInSchema,
    response: signedInSchema,
    errors: ['unauthenticated', 'forbidden', 'rate_limited', 'database_unavailable'],
  }),
  getSession: endpoint({
    method: 'GET',
    path: '/api/v1/session',
    summary: 'The session that this request is made with',
    tag,
    response: currentSessionSchema,
    errors: ['not_found'],
  }),
  signOut: endpoint({
    method: 'DELETE',
    path: '/api/v1/session',
    summary: 'End the session that this request is made with',
    tag,
    access: 'read',
    audited: true,
    response: z.object({ ended: z.int().describe('Number of sessions that were ended.') }),
    errors: ['not_found'],
  }),
  createSignInLink: endpoint({
    method: 'POST',
    path: '/api/v1/session/links',
    summary: 'Make a link that signs a browser in once, within ten minutes, as the token of this request',
    tag,
    access: 'read',
    audited: true,
    response: signInLinkSchema,
  }),
  listSessions: endpoint({
    method: 'GET',
    path: '/api/v1/sessions',
    summary: 'The sessions of the key of this request, or all sessions for the admin token, newest first',
    tag,
    query: z.object({
      limit: limitSchema,
      cursor: numberCursorSchema,
    }),
    response: sessionPageSchema,
  }),
  endSession: endpoint({
    method: 'DELETE',
    path: '/api/v1/sessions/{id}',
    summary: 'End one session',
    tag,
    access: 'read',
    audited: true,
    response: z.object({ ended: z.int() }),
    errors: ['not_found'],
  }),
  endSessions: endpoint({
    method: 'DELETE',
    path: '/api/v1/sessions',
    summary: 'End every session of the token of this request, the current one too: sign out everywhere',
    tag,
    access: 'read',
    audited: true,
    query: z.object({
      keep: z
        .enum(['none', 'current'])
        .default('none')
        .describe('`current`: the session of this request stays, and all others of its token end.'),
    }),
    response: z.object({ ended: z.int() }),
  }),
}
