import { makeLru } from '../../lib/memory/lru.ts'
import { pause } from '../../lib/time.ts'
import type { Queries } from '../../store/database/database.ts'
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
  /** The labels of a worker that had no jobs when it polled here last, with this key; undefined for another one. */
  idleLabelsOf(poll: NotedPoll): readonly string[] | undefined
  /** Notes a poll, and tells what the database knows of the worker; undefined if the key has no such worker. */
  note(poll: NotedPoll): Promise<NotedWorker | undefined>
  /** Call it when a worker is given jobs: its next poll may have to give them again. */
  noteJobs(id: string): void
}

/** How long the poll of an idle worker waits to be noted, together with others: it waits for jobs meanwhile. */
const gatherMs = 1_000
const mostKnown = 10_000

export const makePollNotes = (database: Queries): PollNotes => {
  /** Labels never change after a registration. */
  const idle = makeLru<string, { keyId: number | null; labels: readonly string[] }>(mostKnown)
  const open = new Map<number | null, Batch>()

  const noteAll = async (ids: string[], { keyId, collectionIds }: NotedPoll): Promise<Map<string, NotedWorker>> => {
    const rows = await noteWorkerPolls(database, ids, keyId, collectionIds)
    for (const id of ids) idle.delete(id)
    for (const { id, labels, jobs } of rows) if (jobs === 0) idle.set(id, { keyId, labels })
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

  const idleLabelsOf = ({ id, keyId }: NotedPoll) => {
    const worker = idle.get(id)
    return worker?.keyId === keyId ? worker.labels : undefined
  }

  return {
    idleLabelsOf,
    noteJobs: (id) => void idle.delete(id),
    async note(poll) {
      if (!idleLabelsOf(poll)) return (await noteAll([poll.id], poll)).get(poll.id)
      const batch = open.get(poll.keyId) ?? begin(poll)
      batch.ids.add(poll.id)
      batch.collectionIds = poll.collectionIds
      return (await batch.noted).get(poll.id)
    },
  }
}
