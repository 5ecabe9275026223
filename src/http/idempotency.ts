import { createHash } from 'node:crypto'
import { invalidField } from '../lib/errors.ts'
import type { Admission } from './authorise.ts'

const keyPattern = /^[\x21-\x7e]{1,255}$/

/**
 * A name for who calls what with which Idempotency-Key: the same for the same caller, operation, path and key alone.
 * Undefined where no key came. Throws the 422 for one that is no key.
 */
export const idempotencyScope = (
  operation: string,
  { identity, collection, task }: Admission,
  params: Readonly<Record<string, string>>,
  header: string | string[] | undefined,
): string | undefined => {
  if (header === undefined) return undefined
  const key = String(header)
  if (!keyPattern.test(key)) {
    const message = 'An Idempotency-Key has 1 to 255 visible ASCII characters without spaces, such as a UUID'
    throw invalidField(['header', 'Idempotency-Key'], message)
  }
  // By their ids: a name that is given anew is another collection, or another task.
  const path = { ...params, ...(collection && { collection: collection.id }), ...(task && { task: task.id }) }
  const who = identity?.kind === 'key' ? identity.keyId : (identity?.kind ?? null)
  return createHash('sha256')
    .update(JSON.stringify([who, operation, path, key]))
    .digest('hex')
}
