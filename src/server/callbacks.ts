import type { CallbackUrls } from '../engine/environment/environments.ts'
import { AppError } from '../lib/errors.ts'
import { type CallbackTarget, readCallback, signCallback } from '../lib/secrets/callback-token.ts'
import { readToken, signToken } from '../lib/secrets/signed-token.ts'
import type { EventHook, WebhookScheme } from '../model/events/event-hook.ts'

export interface Callbacks extends CallbackUrls {
  /** The token of a hook, in the place of that of a callback. */
  hookToken(hook: EventHook): string
  readHook(token: string): EventHook | undefined
  /** Reads the token of a callback URL; undefined when this installation has not signed it. */
  read(token: string): CallbackTarget | undefined
}

const hookKind = 'hook'

/** Signs callback URLs and checks them. */
export const makeCallbacks = (key: Buffer, links: { readonly publicUrl: string }): Callbacks => ({
  token: (runKey, step) => signCallback(key, { runKey, step }),
  read: (token) => readCallback(key, token),
  hookToken: ({ collectionId, scheme, secret, event, keyPath }) =>
    signToken(key, hookKind, [collectionId, scheme, secret, event, keyPath]),
  readHook(token) {
    const value = readToken(key, hookKind, token) as [number, WebhookScheme, string, string, string] | undefined
    if (!value) return undefined
    const [collectionId, scheme, secret, event, keyPath] = value
    return { collectionId, scheme, secret, event, keyPath }
  },
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
