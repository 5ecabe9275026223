import type { CallbackUrls } from '../engine/environment/environments.ts'
import { AppError } from '../lib/errors.ts'
import { type CallbackTarget, readCallback, signCallback } from '../lib/secrets/callback-token.ts'

export interface Callbacks extends CallbackUrls {
  /** Reads the token of a callback URL; undefined when this installation has not signed it. */
  read(token: string): CallbackTarget | undefined
}

/** Signs callback URLs and checks them. */
export const makeCallbacks = (key: Buffer, links: { readonly publicUrl: string }): Callbacks => ({
  token: (runKey, step) => signCallback(key, { runKey, step }),
  read: (token) => readCallback(key, token),
  url(token) {
    if (links.publicUrl) return `${links.publicUrl}/api/v1/callbacks/${token}`
    throw new AppError(
      'not_supported',
      'This process does not know the address of the server, which a callback needs',
      {
        hint: 'Set JETTY_PUBLIC_URL in every process.',
      },
    )
  },
})
