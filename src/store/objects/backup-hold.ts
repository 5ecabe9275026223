import type pg from 'pg'
import type { Queries } from '../database/database.ts'
import { change } from '../database/table.ts'
import type { ObjectStore } from './objects.ts'

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
