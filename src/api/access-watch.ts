import { oneAtATime } from '../lib/at-a-time.ts'
import { AppError } from '../lib/errors.ts'
import { now, pause } from '../lib/time.ts'
import type { Identity } from '../model/collections/identity.ts'
import { findKnownKeys, type KnownKey } from '../store/collections/keys.ts'
import { findSessionEnds } from '../store/collections/sessions.ts'
import type { Queries } from '../store/database/database.ts'

interface AccessWatchDeps {
  database: Queries
  /** Calls back when keys, sessions, collections or tasks may have changed. */
  onAccessChange?: ((hear: () => void) => void) | undefined
}

/** `less`: when a caller may do less than before, or nothing. `change`: also when its key covers more. */
type WatchedFor = 'less' | 'change'

export interface AccessWatch {
  /**
   * Calls `end` when the key or session of a caller ends or changes. `admittedMs` is when the caller was admitted, by
   * `performance.now()`. Returns what ends the watch.
   */
  watch(identity: Identity, watchedFor: WatchedFor, admittedMs: number, end: (why: AppError) => void): () => void
}

interface Watched {
  identity: Identity
  watchedFor: WatchedFor
  end: (why: AppError) => void
}

/** News come with each change of a task too: the database is asked ten times a second at most, as by other calls. */
const restMs = 100
/** It is also asked this often: notifications get lost with their connection. */
const lookEveryMs = 25_000
/** A call is admitted from memory for so long: it may be that much older than it seems. */
const keptMs = 1_000

const signInAgain = 'Send a token that is valid, or sign in again.'
const keyEnded = () => new AppError('unauthenticated', 'The key was revoked, or has expired', { hint: signInAgain })
const keyChanged = () =>
  new AppError('unauthenticated', 'The key may do something else than before', { hint: 'Send the request again.' })
const sessionEnded = () => new AppError('unauthenticated', 'The session has ended', { hint: signInAgain })

const isOver = (at: Date | null): boolean => at !== null && at.getTime() <= now()

const isUnchanged = ({ identity, watchedFor }: Watched, key: KnownKey): boolean => {
  const { access, collectionIds } = identity
  const covered = new Set(key.collection_ids)
  return (
    key.access_level === access &&
    collectionIds.every((id) => covered.has(id)) &&
    (watchedFor === 'less' || covered.size === collectionIds.length)
  )
}

/**
 * Watches the callers of streams and of polls that wait, so that they end with their key or session. One statement asks for
 * all keys, and another for all sessions.
 */
export const makeAccessWatch = ({ database, onAccessChange }: AccessWatchDeps): AccessWatch => {
  const watched = new Set<Watched>()
  let looking: NodeJS.Timeout | undefined
  let newsMs = Number.NEGATIVE_INFINITY
  let next: NodeJS.Timeout | undefined

  /** Looks again when the next of these ends comes, of those that had not come at `lookedMs`. */
  const lookAtNext = (times: (Date | null)[], lookedMs: number): void => {
    const ends = times.flatMap((at) => (at && at.getTime() > lookedMs ? [at.getTime()] : []))
    clearTimeout(next)
    const waitMs = Math.min(...ends) - now()
    if (waitMs < lookEveryMs) next = setTimeout(look, Math.max(0, waitMs)).unref()
  }
  const look = oneAtATime(async () => {
    const asked = [...watched]
    const lookedMs = now()
    if (asked.length === 0) return
    const keyIds = new Set(asked.flatMap(({ identity }) => identity.keyId ?? []))
    const sessionIds = new Set(asked.flatMap(({ identity }) => identity.sessionId ?? []))
    const [keys, sessions] = await Promise.all([
      keyIds.size === 0 ? [] : findKnownKeys(database, [...keyIds]),
      sessionIds.size === 0 ? [] : findSessionEnds(database, [...sessionIds]),
    ])
    const keyOf = new Map(keys.map((key) => [key.id, key]))
    const endOf = new Map(sessions.map(({ id, expires_at }) => [id, expires_at]))
    const whyOver = (one: Watched): AppError | undefined => {
      const { keyId, sessionId } = one.identity
      const endsAt = sessionId === undefined ? null : endOf.get(sessionId)
      if (endsAt === undefined || isOver(endsAt)) return sessionEnded()
      if (keyId === null) return undefined // the admin token never changes while the server runs
      const key = keyOf.get(keyId)
      if (!key?.is_active || isOver(key.expires_at)) return keyEnded()
      return isUnchanged(one, key) ? undefined : keyChanged()
    }
    for (const one of asked) {
      const why = whyOver(one)
      if (!why) continue
      watched.delete(one)
      one.end(why)
    }
    await pause(restMs)
    if (watched.size > 0) lookAtNext([...keys.map((key) => key.expires_at), ...endOf.values()], lookedMs)
  })
  onAccessChange?.(() => {
    newsMs = performance.now()
    look()
  })

  return {
    watch(identity, watchedFor, admittedMs, end) {
      if (identity.keyId === null && identity.sessionId === undefined) return () => {}
      const one = { identity, watchedFor, end }
      watched.add(one)
      looking ??= setInterval(look, lookEveryMs).unref()
      const endsSoon = identity.expiresAt !== null && identity.expiresAt.getTime() - now() < lookEveryMs
      if (newsMs > admittedMs - keptMs || endsSoon || identity.sessionId !== undefined) look()
      return () => {
        watched.delete(one)
        if (watched.size > 0) return
        clearInterval(looking)
        clearTimeout(next)
        looking = undefined
      }
    },
  }
}
