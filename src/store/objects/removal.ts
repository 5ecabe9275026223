import type pg from 'pg'
import { AppError, messageOf } from '../../lib/errors.ts'
import type { Queries } from '../database/database.ts'
import { change } from '../database/table.ts'
import type { ObjectStore } from './objects.ts'

/** Some objects could not be removed; all others are gone. */
export class RemovalFailed extends Error {
  readonly ids: readonly string[]

  constructor(ids: readonly string[], cause: unknown) {
    super(`${ids.length} stored files cannot be removed, the first is ${ids[0]}: ${messageOf(cause)}`, { cause })
    this.name = 'RemovalFailed'
    this.ids = ids
  }
}

/** Throws `RemovalFailed` if there are failures. */
export const throwFailed = (failed: readonly { id: string; error: unknown }[]): void => {
  const [first] = failed
  if (!first) return
  throw new RemovalFailed(
    failed.map(({ id }) => id),
    first.error,
  )
}

/** Removes an object for a caller who waits. A storage that is away is named as such. */
export const removeNow = async (objects: { remove(ids: string[]): Promise<void> }, id: string): Promise<void> => {
  try {
    await objects.remove([id])
  } catch (error) {
    throw error instanceof RemovalFailed && error.cause instanceof AppError ? error.cause : error
  }
}

/** Removes what can be removed and returns the failures. */
export const removeAll = async (
  objects: { remove(ids: string[]): Promise<void> },
  ids: string[],
): Promise<RemovalFailed | undefined> => {
  try {
    await objects.remove(ids)
    return undefined
  } catch (error) {
    if (error instanceof RemovalFailed) return error
    throw error
  }
}

const lock = 4 // of the advisory locks of an installation

/** Keeps the bytes of removed files in the storage, until the connection ends: a backup still reads them. */
export const holdRemovals = async (client: pg.ClientBase): Promise<void> => {
  await client.query(`select pg_advisory_lock_shared(lock_space(), ${lock})`)
}

const isHeld = change(
  'are_removals_held',
  `select from pg_locks where locktype = 'advisory' and classid = lock_space()::oid and objid = ${lock}
         and database = (select oid from pg_database where datname = current_database()) limit 1`,
)

/** Wraps a store so that it removes nothing during a backup. What stays is an orphan, which a later sweep removes. */
export const heldByBackups = (objects: ObjectStore, queries: Queries): ObjectStore => {
  const remove: ObjectStore['remove'] = async (ids) => {
    if (!(await isHeld(queries))) await objects.remove(ids)
  }
  const sweepUnnamed: ObjectStore['sweepUnnamed'] = async (sweep) =>
    (await isHeld(queries)) ? undefined : objects.sweepUnnamed(sweep)
  return Object.create(objects, {
    remove: { value: remove, enumerable: true },
    sweepUnnamed: { value: sweepUnnamed, enumerable: true },
  }) as ObjectStore
}
