import { z } from 'zod'
import { timestampSchema } from '../names.ts'
import { whoamiSchema } from './identity.ts'

export const sessionSchema = z
  .object({
    id: z.int(),
    is_current: z.boolean().describe('Whether this request was made with it.'),
    key_id: z
      .int()
      .nullable()
      .describe('The key that it was made with and may do no more than; null: the admin token.'),
    key_name: z.string().nullable(),
    key_prefix: z.string().nullable(),
    agent: z.string().describe('`User-Agent` of the browser that signed in.'),
    created_at: timestampSchema,
    last_seen_at: timestampSchema.describe('When it was last used, to the minute.'),
    expires_at: timestampSchema,
  })
  .meta({ id: 'Session' })

export type ShownSession = z.output<typeof sessionSchema>

export const currentSessionSchema = sessionSchema.extend({ identity: whoamiSchema }).meta({ id: 'CurrentSession' })

export const signInSchema = z
  .object({
    token: z.string().min(1).max(500).optional().describe('An API key, or the admin token.'),
    code: z.string().min(1).max(200).optional().describe('What a sign-in link has after `#once=`.'),
  })
  .refine(({ token, code }) => (token === undefined) !== (code === undefined), 'Send either token or code')
  .meta({ id: 'SignIn' })

export const signedInSchema = z
  .object({
    session: z
      .string()
      .describe(
        'Half of the session, for the header `X-Jetty-Session`. The other half is the cookie of this response.',
      ),
    expires_at: timestampSchema,
    identity: whoamiSchema,
  })
  .meta({ id: 'SignedIn' })

export const sessionPageSchema = z.object({
  sessions: z.array(sessionSchema),
  next_cursor: z.string().nullable().describe('Pass as `cursor` for the next page; null on the last one.'),
  has_more: z.boolean(),
})

export const signInLinkSchema = z
  .object({
    url: z.string().describe('Opens the pages of this server and signs in. Good once.'),
    expires_at: timestampSchema,
  })
  .meta({ id: 'SignInLink' })
