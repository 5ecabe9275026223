import { createHash } from 'node:crypto'
import { AppError } from '../lib/errors.ts'
import type { AnyCall } from './implement.ts'

/** Makes the entity tag (RFC 9110) of a state. Members that change by themselves, such as a last run, are no part of it. */
export const entityTag = (state: unknown): string =>
  `"${createHash('sha256').update(JSON.stringify(state)).digest('base64url').slice(0, 22)}"`

/** Splits a list of entity tags. A proxy that compresses answers marks their tags as weak, so `W/` is ignored. */
const tagsIn = (header: string): string[] => header.split(',').map((tag) => tag.trim().replace(/^W\//, ''))

/** Throws `precondition_failed` if the call has an `If-Match` that does not name the state. */
export const requireMatch = ({ headers }: Pick<AnyCall, 'headers'>, tag: string, what: string): void => {
  const wanted = headers['if-match']
  if (wanted === undefined || wanted.trim() === '*' || tagsIn(wanted).includes(tag)) return
  throw new AppError('precondition_failed', `${what} has been changed since it was read; nothing was changed now`, {
    hint: 'Read it again, apply your change to the new state, and send the new ETag in If-Match.',
  })
}
