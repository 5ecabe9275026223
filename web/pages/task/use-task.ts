import { useQuery } from '@tanstack/react-query'
import { memberText } from '../../../src/lib/json/json-text.ts'
import type { Task } from '../../../src/model/workflows/task.ts'
import type { TaskVersion } from '../../../src/model/workflows/task-version.ts'
import { api, apiCall } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
/** Says which task a tab is about. */
export interface TaskPlaceProps {
  collection: string
  task: string
}

/** A task as it was read, with what is needed to change it. */
export interface ReadTask {
  task: Task
  /** The workflow as it is stored, byte for byte. */
  workflowText: string
  /** Names this state of the task, for `If-Match`. */
  etag: string | null
}

/** Reads a task from an answer. Its workflow stays text: a long number would not survive being parsed. */
export const taskOfAnswer = async (response: Response): Promise<ReadTask> => {
  const text = await response.text()
  return {
    task: JSON.parse(text) as Task,
    workflowText: memberText(text, 'workflow') ?? '{}',
    etag: response.headers.get('etag'),
  }
}

export const readTask = async (collection: string, task: string, signal?: AbortSignal): Promise<ReadTask> => {
  const response = (await apiCall('getTask', {
    params: { collection, task },
    asResponse: true,
    ...(signal && { signal }),
  })) as Response
  return taskOfAnswer(response)
}

/** The task of a page. */
export const useTask = (collection: string, task: string, isAsked = true) =>
  useQuery({
    queryKey: keys.task(collection, task),
    queryFn: ({ signal }) => readTask(collection, task, signal),
    enabled: isAsked,
  })

/** One version with its content as text, as it was stored. */
export const readVersion = async ({ collection, task }: TaskPlaceProps, index: number, signal?: AbortSignal) => {
  const params = { collection, task, ref: `~${index}` }
  const text = (await apiCall('getTaskVersion', { params, asText: true, ...(signal && { signal }) })) as string
  const data = memberText(text, 'data') ?? '{}'
  return { version: JSON.parse(text) as TaskVersion, data, workflowText: memberText(data, 'workflow') ?? '{}' }
}

/** The newest version of a task with its content. */
export const newestVersion = async (place: TaskPlaceProps, signal?: AbortSignal) => {
  const query = { limit: 1 }
  const { versions } = await api.listTaskVersions({ params: { ...place }, query, ...(signal && { signal }) })
  return readVersion(place, versions[0]?.index ?? 0, signal)
}
