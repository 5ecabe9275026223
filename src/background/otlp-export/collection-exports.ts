import { isDatabaseUnavailable } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import type { Open } from '../../lib/net/open.ts'
import { now, pause } from '../../lib/time.ts'
import { claimExport, nextCollectionExport, releaseExport } from '../../store/trace-exports.ts'
import type { CollectorSettings } from './collector.ts'
import { makeTraceSender, type TraceSender, type TraceSending } from './send-traces.ts'

/** The collector of a collection, as its settings and variables are now. */
export interface CollectionCollector {
  collector: CollectorSettings
  /** See `SpanSource`. */
  contentCharacters: number
}

interface CollectionExportDeps extends TraceSending {
  /** The guarded client: the address is of a tenant. */
  open: Open
  /** Reads the collector of a collection. A text says why it cannot be used; undefined: it has none. */
  collectorOf(collectionId: number): Promise<CollectionCollector | string | undefined>
  /** Collectors that are sent to at once. */
  atOnce: number
  log: Logger
}

/** Sends the traces of ended runs to the collectors of their collections. */
export interface CollectionExports {
  /** Sends to all collectors that something waits for. */
  hurry(): void
  /** Stops; requests under way are cut off after `seconds`, and sent again later. */
  stop(seconds: number): Promise<void>
}

/** How long one collection may send before others have their turn. */
const turnMs = 5_000
/** When a collection is looked at again whose collector cannot be used. */
const faultyMs = 60_000
/** Senders that are remembered, with what they have complained about. */
const mostSenders = 256

export const makeCollectionExports = (deps: CollectionExportDeps): CollectionExports => {
  const { database, log } = deps
  const stopping = new AbortController()
  const cutOff = new AbortController()
  const senders = makeLru<number, { made: string; sender: TraceSender }>(mostSenders)
  const faults = makeLru<number, string>(mostSenders)

  const senderOf = (collection: { id: number; name: string }, found: CollectionCollector): TraceSender => {
    const made = JSON.stringify(found)
    const known = senders.get(collection.id)
    if (known?.made === made) return known.sender
    const sender = makeTraceSender(deps, {
      ...found,
      destination: String(collection.id),
      collectionId: collection.id,
      open: deps.open,
      stopping: stopping.signal,
      cutOff: cutOff.signal,
      log: log.child({ collection: collection.name }),
    })
    senders.set(collection.id, { made, sender })
    return sender
  }

  /** Puts an export off whose collector cannot be used. Its runs wait in the database. */
  const putOff = async (collection: { id: number; name: string }, why: string): Promise<void> => {
    if (faults.get(collection.id) !== why) {
      faults.set(collection.id, why)
      log.warn({ collection: collection.name, why }, 'the collector of a collection cannot be used')
    }
    const hold = { destination: String(collection.id), holder: 'nobody', untilMs: now() + faultyMs }
    if (await claimExport(database, hold, now())) await releaseExport(database, hold, 0)
  }

  /** Sends runs of one collection. Returns whether it may have more. */
  const serve = async (collection: { id: number; name: string }): Promise<boolean> => {
    const found = await deps.collectorOf(collection.id)
    if (found === undefined) return false // it was unset meanwhile
    if (typeof found !== 'string') return senderOf(collection, found).sendAll(turnMs)
    await putOff(collection, found)
    return false
  }

  /** Serves one collection after the other, the one that has waited longest first. */
  const serveAll = async (resting: number[]): Promise<void> => {
    while (!stopping.signal.aborted) {
      const collection = await nextCollectionExport(database, now(), resting)
      if (!collection) return
      if (!(await serve(collection))) resting.push(collection.id)
    }
  }

  const sendRound = async () => {
    const resting: number[] = []
    const lanes = Array.from({ length: deps.atOnce }, () => serveAll(resting))
    for (const { status, ...result } of await Promise.allSettled(lanes)) {
      if (status === 'fulfilled' || !('reason' in result)) continue
      const level = isDatabaseUnavailable(result.reason) ? 'debug' : 'error'
      log[level]({ err: result.reason }, 'the export of traces of collections is put off')
    }
  }
  let round: Promise<void> | undefined

  return {
    hurry() {
      if (stopping.signal.aborted) return
      round ??= sendRound().finally(() => {
        round = undefined
      })
    },
    async stop(seconds) {
      stopping.abort()
      const done = new AbortController()
      const ended = Promise.resolve(round).finally(() => done.abort())
      if (await pause(seconds * 1000, done.signal)) cutOff.abort()
      await ended
    },
  }
}
