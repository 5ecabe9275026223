import { AppError } from '../../lib/errors.ts'
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
