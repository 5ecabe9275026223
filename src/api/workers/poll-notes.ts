import { LRUCache } from 'lru-cache'
import type { Queries } from '../../database/database.ts'
import { pause } from '../../lib/time.ts'
import { type NotedWorker, noteWorkerPolls } from '../../store/workers/workers.ts'

/** A poll of a worker: its key, and the collections that the key covers now (null: all). */
interface NotedPoll {
  id: string
  keyId: number | null
  collectionIds: readonly number[] | null
}

/** Polls of one key that are noted together. */
interface Batch {
  ids: Set<string>
  collectionIds: readonly number[] | null
  noted: Promise<Map<string, NotedWorker>>
}

export interface PollNotes {
  /** The labels of a worker that has polled here before with this key; undefined for another one. */
  labelsOf(poll: NotedPoll): readonly string[] | undefined
  /** Notes a poll, and tells what the database knows of the worker; undefined if the key has no such worker. */
  note(poll: NotedPoll): Promise<NotedWorker | undefined>
}

/** How long the poll of a known worker waits to be noted, together with others: it waits for jobs meanwhile. */
const gatherMs = 250
const mostKnown = 10_000

export const makePollNotes = (database: Queries): PollNotes => {
  /** Labels never change after a registration. */
  const known = new LRUCache<string, { keyId: number | null; labels: readonly string[] }>({ max: mostKnown })
  const open = new Map<number | null, Batch>()

  const noteAll = async (ids: string[], { keyId, collectionIds }: NotedPoll): Promise<Map<string, NotedWorker>> => {
    const rows = await noteWorkerPolls(database, ids, keyId, collectionIds)
    for (const id of ids) known.delete(id)
    for (const { id, labels } of rows) known.set(id, { keyId, labels })
    return new Map(rows.map((row) => [row.id, row]))
  }

  const begin = (poll: NotedPoll): Batch => {
    const batch: Batch = { ids: new Set(), collectionIds: null, noted: pause(gatherMs).then(() => end()) }
    const end = () => {
      open.delete(poll.keyId)
      return noteAll([...batch.ids], { ...poll, collectionIds: batch.collectionIds })
    }
    open.set(poll.keyId, batch)
    return batch
  }

  const labelsOf = ({ id, keyId }: NotedPoll) => {
    const worker = known.get(id)
    return worker?.keyId === keyId ? worker.labels : undefined
  }

  return {
    labelsOf,
    async note(poll) {
      if (!labelsOf(poll)) return (await noteAll([poll.id], poll)).get(poll.id)
      const batch = open.get(poll.keyId) ?? begin(poll)
      batch.ids.add(poll.id)
      batch.collectionIds = poll.collectionIds
      return (await batch.noted).get(poll.id)
    },
  }
}
