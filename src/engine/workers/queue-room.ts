import { makeLru } from '../../lib/memory/lru.ts'
import type { Queries } from '../../store/database/database.ts'
import { countQueuedJobs } from '../../store/workers/jobs.ts'

const mostKnown = 10_000
/** For so long a process does not see what other processes queue. */
const countedForMs = 1_000

/** What a process knows of the queue of a collection. */
interface Room {
  /** Jobs that may still be queued, by the last count and what this process has admitted since. */
  left: number
  /** When the last count began, in milliseconds of `performance.now()`. */
  countedAt: number
  /** Admitted jobs that are not inserted yet: a count would miss them. */
  inserts: Set<Promise<void>>
  /** Ends when the steps before have been admitted or refused. */
  line: Promise<unknown>
}

/**
 * Makes the function that inserts a job if its collection may queue another one; undefined if the queue is full.
 * Counting reads up to `most` rows, so a process counts a collection once a second, and when there seems to be no room.
 * Steps stand in line for that, and a count waits for the inserts before it: so a process alone never admits too many.
 */
export const makeQueueRoom = (database: Queries, most: number) => {
  const rooms = makeLru<number, Room>(mostKnown)
  const roomOf = (collectionId: number): Room => {
    const known = rooms.get(collectionId)
    if (known) return known
    const room = {
      left: 0,
      countedAt: Number.NEGATIVE_INFINITY,
      inserts: new Set<Promise<void>>(),
      line: Promise.resolve(),
    }
    rooms.set(collectionId, room)
    return room
  }
  const count = async (room: Room, collectionId: number): Promise<void> => {
    await Promise.all(room.inserts)
    const begun = performance.now()
    room.left = most - (await countQueuedJobs(database, collectionId, most))
    room.countedAt = begun
  }
  return async <T>(collectionId: number, insert: () => Promise<T>): Promise<T | undefined> => {
    const room = roomOf(collectionId)
    const asked = performance.now()
    const turn = room.line.then(async () => {
      // One count answers all steps that stood in line when it began.
      const isOld = room.left > 0 ? performance.now() - room.countedAt > countedForMs : room.countedAt <= asked
      if (isOld) await count(room, collectionId)
      if (room.left <= 0) return undefined
      room.left--
      return { inserted: trackedIn(room.inserts, insert()) }
    })
    room.line = turn.catch(() => undefined)
    return (await turn)?.inserted
  }
}

const trackedIn = <T>(inserts: Set<Promise<void>>, insert: Promise<T>): Promise<T> => {
  const forget = () => void inserts.delete(ended)
  const ended: Promise<void> = insert.then(forget, forget)
  inserts.add(ended)
  return insert
}
