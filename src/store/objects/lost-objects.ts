import { AppError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { pause } from '../../lib/time.ts'
import { isObjectId } from './object-id.ts'
import type { ObjectStore } from './objects.ts'

/** A deletion removes bytes before rows, so a row may name deleted bytes for this long. */
const deletionMs = 3_000

/**
 * Wraps a store so that a missing object which the database names is reported as lost data, and logged, instead of being
 * not found.
 */
export const reportingLosses = (
  objects: ObjectStore,
  { named, log, waitMs = deletionMs }: { named(ids: string[]): Promise<Set<string>>; log: Logger; waitMs?: number },
): ObjectStore => {
  const isNamed = async (id: string): Promise<boolean> => (await named([id])).has(id)
  const open: ObjectStore['open'] = async (id, range) => {
    try {
      return await objects.open(id, range)
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'not_found' && isObjectId(id))) throw error
      if (!(await isNamed(id))) throw error
      await pause(waitMs)
      if (!(await isNamed(id))) throw error
      log.error({ object: id, storage: objects.where }, 'data loss: the bytes of a file are not in the storage')
      throw new AppError('object_missing', `The bytes of this file are lost: object ${id} is not in ${objects.where}`, {
        hint: 'Restore the object from a backup of the storage.',
        cause: error,
      })
    }
  }
  return Object.create(objects, { open: { value: open, enumerable: true } }) as ObjectStore
}
