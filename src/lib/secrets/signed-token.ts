import { createHmac } from 'node:crypto'
import { sameText } from './crypto.ts'

const macOf = (key: Buffer, kind: string, text: string): string =>
  createHmac('sha256', key)
    .update(JSON.stringify([kind, text]))
    .digest('base64url')

/** A token that carries a value in plain sight, and can be made with the key alone. The same value has the same token. */
export const signToken = (key: Buffer, kind: string, value: readonly unknown[]): string => {
  const text = Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${kind}.${text}.${macOf(key, kind, text)}`
}

/** Longest token that is looked at. */
const longestToken = 2_000

/** The value of a token; undefined when it was not signed with the key for this kind. */
export const readToken = (key: Buffer, kind: string, token: string): unknown[] | undefined => {
  const [, given, text = '', mac = ''] =
    token.length > longestToken ? [] : (/^([\w-]+)\.([\w-]+)\.([\w-]{43})$/.exec(token) ?? [])
  if (given !== kind || !sameText(macOf(key, kind, text), mac)) return undefined
  return JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown[]
}
