import { readWhole } from '../../lib/memory/byte-blocks.ts'
import type { ObjectStore } from '../../store/objects/objects.ts'

/** Stores the objects of a backup under their own ids; several small ones at once. */
interface ObjectRestore {
  object(id: string, size: number, body: AsyncIterable<Buffer>): Promise<void>
  /** Resolves when all of them are stored. */
  settled(): Promise<void>
  readonly counts: { stored: number; present: number; bytes: number }
}

const smallBytes = 1024 * 1024
const atOnce = 8

export const makeObjectRestore = (objects: Pick<ObjectStore, 'put' | 'sizeOf'>): ObjectRestore => {
  const counts = { stored: 0, present: 0, bytes: 0 }
  const underWay = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined

  const store = async (id: string, size: number, body: Uint8Array | AsyncIterable<Buffer>): Promise<void> => {
    // An earlier attempt may have stored it, or the storage is the one that the backup was made of.
    if ((await objects.sizeOf(id)) === size) {
      counts.present += 1
      return
    }
    await objects.put(body, { maxBytes: Number.MAX_SAFE_INTEGER, id })
    counts.stored += 1
    counts.bytes += size
  }

  const settled = async () => {
    await Promise.all(underWay)
    if (failure) throw failure.error
  }

  return {
    counts,
    settled,
    async object(id, size, body) {
      if (failure) throw failure.error
      if (size > smallBytes) return store(id, size, body)
      const stored: Promise<void> = store(id, size, await readWhole(body))
        .catch((error) => {
          failure ??= { error }
        })
        .finally(() => underWay.delete(stored))
      underWay.add(stored)
      if (underWay.size >= atOnce) await Promise.race(underWay)
    },
  }
}
