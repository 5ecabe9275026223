import { inTime } from '../../lib/in-time.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import type { Queries } from '../../store/database/database.ts'
import { type RecordTask, taskForRecords } from '../../store/tasks/own-tasks.ts'
import type { FinishedCall } from './finished-call.ts'

type Place = FinishedCall['place']
type RecordWorkflow = { text: string; hash: string }

/** A cache of the tasks that calls are recorded under. A task deleted meanwhile is created again with the record. */
interface RecordTasks {
  of(place: Place, workflow: RecordWorkflow): RecordTask | Promise<RecordTask>
}

const knownForMs = 60_000
const mostKnown = 10_000

/** Stands for the task while the database is away. No task has this id, so the writer looks it up with the record. */
const unknown = (place: Place): RecordTask => ({ id: 0, name: place.taskName })

export const makeRecordTasks = (database: Queries): RecordTasks => {
  const known = makeLru<string, { task: RecordTask; untilMs: number }>(mostKnown)

  const find = async (key: string, place: Place, workflow: RecordWorkflow): Promise<RecordTask> => {
    const at = { collectionId: place.collectionId, name: place.taskName, workflow: workflow.text }
    const task = await inTime(taskForRecords(database, at))
    if (!task) return unknown(place)
    known.set(key, { task, untilMs: performance.now() + knownForMs })
    return task
  }

  return {
    of(place, workflow) {
      const key = `${place.collectionId} ${workflow.hash} ${place.taskName.toLowerCase()}`
      const found = known.get(key)
      if (!found) return find(key, place, workflow)
      if (found.untilMs > performance.now()) return found.task
      found.untilMs = performance.now() + knownForMs // one call refreshes the entry in the background
      find(key, place, workflow).catch(() => {})
      return found.task
    },
  }
}
