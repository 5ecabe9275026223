import { LRUCache } from 'lru-cache'
import type { Queries } from '../../database/database.ts'
import { countQueuedJobs } from '../../store/workers/jobs.ts'

const mostKnown = 10_000
/** For so long a process does not see what other processes queue. */
const countedForMs = 1_000

interface Counted {
  left: Promise<number>
  /** Jobs that this process has queued since. */
  taken: number
}

/**
 * Makes the function that says whether a collection may queue another job, and counts it. Counting reads up to `most`
 * rows, so a process counts a collection once a second, and when there seems to be no room.
 */
export const makeQueueRoom = (database: Queries, most: number): ((collectionId: number) => Promise<boolean>) => {
  const known = new LRUCache<number, Counted>({ max: mostKnown, ttl: countedForMs })
  const count = (collectionId: number): Counted => {
    const left = countQueuedJobs(database, collectionId, most).then((jobs) => most - jobs)
    left.catch(() => known.delete(collectionId))
    const counted = { left, taken: 0 }
    known.set(collectionId, counted)
    return counted
  }
  const take = async (counted: Counted): Promise<boolean> => (await counted.left) > counted.taken++
  return async (collectionId) => {
    const kept = known.get(collectionId)
    return (kept !== undefined && (await take(kept))) || take(count(collectionId))
  }
}
