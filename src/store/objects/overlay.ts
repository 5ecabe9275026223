import type pg from 'pg'
import { AppError } from '../../lib/errors.ts'
import type { Queries } from '../database/database.ts'
import { change } from '../database/table.ts'
import type { ObjectStore } from './objects.ts'

const isOneOf = (error: unknown, codes: readonly string[]): error is AppError =>
  error instanceof AppError && codes.includes(error.code)

/** Asks the first store, and the second one for what the first does not have or cannot give now. */
const eitherOf = async <Found>(first: () => Promise<Found>, second: () => Promise<Found>): Promise<Found> => {
  try {
    return await first()
  } catch (error) {
    if (!isOneOf(error, ['not_found', 'storage_unavailable'])) throw error
    try {
      return await second()
    } catch (other) {
      // An object that may still be in the first store does not count as missing.
      throw isOneOf(other, ['not_found']) ? error : other
    }
  }
}

/** Joins two stores while objects move from `former` to `current`: new ones go to `current`, reads find both. */
export const joinStores = (current: ObjectStore, former: ObjectStore): ObjectStore => ({
  where: current.where,
  isRemote: current.isRemote || former.isRemote,
  get state() {
    return current.state.ok ? former.state : current.state
  },
  put: (body, options) => current.put(body, options),
  open: (id, range) =>
    eitherOf(
      () => current.open(id, range),
      () => former.open(id, range),
    ),
  async link(id, options) {
    const store = (await current.sizeOf(id)) === undefined ? former : current
    return store.link(id, options)
  },
  sizeOf: async (id) => (await current.sizeOf(id)) ?? former.sizeOf(id),
  async remove(ids) {
    await former.remove(ids) // first, so that the copy cannot bring back what is already gone from the other
    await current.remove(ids)
  },
  check: () => current.check(),
  async owner() {
    const owner = await current.owner()
    return owner.state === 'alone' ? former.owner() : owner
  },
  sweepUnnamed: (sweep) => current.sweepUnnamed(sweep),
  sweepTemporary: async () => (await current.sweepTemporary()) + (await former.sweepTemporary()),
})

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
