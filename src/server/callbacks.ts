import { createHmac } from 'node:crypto'
import type { CallbackUrls } from '../engine/environment/environments.ts'
import { AppError } from '../lib/errors.ts'
import { type CallbackTarget, readCallback, signCallback } from '../lib/secrets/callback-token.ts'
import { sameText } from '../lib/secrets/crypto.ts'
import type { EventHook, WebhookScheme } from '../model/events/event-hook.ts'

const macOf = (key: Buffer, kind: string, text: string): string =>
  createHmac('sha256', key)
    .update(JSON.stringify([kind, text]))
    .digest('base64url')

/** A token that carries a value in plain sight, and can be made with the key alone. The same value has the same token. */
const signToken = (key: Buffer, kind: string, value: readonly unknown[]): string => {
  const text = Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${kind}.${text}.${macOf(key, kind, text)}`
}

/** Longest token that is looked at. */
const longestToken = 2_000

/** The value of a token; undefined when it was not signed with the key for this kind. */
const readToken = (key: Buffer, kind: string, token: string): unknown[] | undefined => {
  const [, given, text = '', mac = ''] =
    token.length > longestToken ? [] : (/^([\w-]+)\.([\w-]+)\.([\w-]{43})$/.exec(token) ?? [])
  if (given !== kind || !sameText(macOf(key, kind, text), mac)) return undefined
  return JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown[]
}

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
