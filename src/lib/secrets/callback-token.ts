import { createHmac } from 'node:crypto'
import { sameText } from './crypto.ts'

/** A step of one run that a callback is for. */
export interface CallbackTarget {
  runKey: string
  /** Name of the step in the workflow. */
  step: string
}

const macOf = (key: Buffer, { runKey, step }: CallbackTarget): string =>
  createHmac('sha256', key)
    .update(JSON.stringify(['callback', runKey, step]))
    .digest('base64url')

const encoded = (text: string): string => Buffer.from(text).toString('base64url')

/** The token of a callback URL. It names run and step, and is signed: the same for the same two, and for no others. */
export const signCallback = (key: Buffer, target: CallbackTarget): string =>
  `${encoded(target.runKey)}.${encoded(target.step)}.${macOf(key, target)}`

/** Longest token that is looked at. */
const longestToken = 1_000
const tokenPattern = /^([\w-]+)\.([\w-]+)\.([\w-]{43})$/

/** Reads a token; undefined when it was not signed with the key. */
export const readCallback = (key: Buffer, token: string): CallbackTarget | undefined => {
  const [, run = '', name = '', mac = ''] = token.length > longestToken ? [] : (tokenPattern.exec(token) ?? [])
  const target = { runKey: Buffer.from(run, 'base64url').toString(), step: Buffer.from(name, 'base64url').toString() }
  return sameText(macOf(key, target), mac) && signCallback(key, target) === token ? target : undefined
}
