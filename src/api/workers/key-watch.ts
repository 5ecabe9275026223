import type { Queries } from '../../database/database.ts'
import { oneAtATime } from '../../lib/one-at-a-time.ts'
import { now, pause } from '../../lib/time.ts'
import type { Identity } from '../../model/collections/identity.ts'
import { findKnownKeys, type KnownKey } from '../../store/collections/keys.ts'

interface KeyWatchDeps {
  database: Queries
  /** Calls back when keys, collections or tasks may have changed. */
  onAccessChange?: ((hear: () => void) => void) | undefined
}

export interface KeyWatch {
  /** Calls `end` when the key of a caller may do something else than before. Returns what ends the watch. */
  watch(identity: Identity, end: () => void): () => void
}

/** News come with each change of a task too: keys are looked up ten times a second at most, as those of other calls. */
const restMs = 100
/** Keys are also looked up this often: notifications get lost with their connection. */
const lookEveryMs = 25_000
/** A caller was admitted before it is watched. News that came since may be about its key. */
const lateMs = 2_000

const isUnchanged = ({ access, collectionIds }: Identity, key: KnownKey | undefined): boolean =>
  key?.is_active === true &&
  (key.expires_at === null || key.expires_at.getTime() > now()) &&
  key.access_level === access &&
  key.collection_ids.length === collectionIds.length &&
  key.collection_ids.every((id, at) => id === collectionIds[at])

/** Watches the keys of polls that wait, so that a key that is revoked gets no more jobs. One statement asks for all keys. */
export const makeKeyWatch = ({ database, onAccessChange }: KeyWatchDeps): KeyWatch => {
  const watched = new Set<{ keyId: number; identity: Identity; end: () => void }>()
  let timer: NodeJS.Timeout | undefined
  let newsMs = Number.NEGATIVE_INFINITY

  const look = oneAtATime(async () => {
    if (watched.size === 0) return
    const asked = [...watched]
    const keys = await findKnownKeys(database, [...new Set(asked.map(({ keyId }) => keyId))])
    const byId = new Map(keys.map((key) => [key.id, key]))
    for (const { keyId, identity, end } of asked) if (!isUnchanged(identity, byId.get(keyId))) end()
    await pause(restMs)
  })
  onAccessChange?.(() => {
    newsMs = performance.now()
    look()
  })

  return {
    watch(identity, end) {
      const { keyId } = identity
      if (keyId === null) return () => {} // the admin token never changes while the server runs
      const one = { keyId, identity, end }
      watched.add(one)
      timer ??= setInterval(look, lookEveryMs).unref()
      if (performance.now() - newsMs < lateMs) look()
      return () => {
        watched.delete(one)
        if (watched.size > 0) return
        clearInterval(timer)
        timer = undefined
      }
    },
  }
}
