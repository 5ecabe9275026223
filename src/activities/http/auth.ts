import { z } from 'zod'
import { headerName, headerValue } from './headers.ts'

const secretText = headerValue.min(1)

/** How a request signs in. Values usually come from the environment: `token_path: env.API_TOKEN`. */
export const authSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('bearer'), token: secretText }),
  z.strictObject({ type: z.literal('basic'), username: z.string(), password: z.string() }),
  z.strictObject({ type: z.literal('header'), name: headerName, value: secretText }),
  z.strictObject({ type: z.literal('query'), name: z.string().min(1), value: z.string().min(1) }),
])
export type Auth = z.infer<typeof authSchema>

/** The header that carries the credential; undefined for a credential in the query. */
export const authHeader = (auth: Auth): [name: string, value: string] | undefined => {
  switch (auth.type) {
    case 'bearer':
      return ['authorization', `Bearer ${auth.token}`]
    case 'basic':
      return ['authorization', `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`]
    case 'header':
      return [auth.name.toLowerCase(), auth.value]
    case 'query':
      return undefined
  }
}
