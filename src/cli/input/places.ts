import { AppError } from '../../lib/errors.ts'
import type { AskedVersion } from '../../model/version-ref.ts'

export interface TaskPlace {
  collection: string
  task: string
}

export interface RunPlace extends TaskPlace {
  trajectory_id: string
}

export interface RoutinePlace extends TaskPlace {
  name: string
}

const segmentsOf = (text: string): string[] => text.replace(/^\/+|\/+$/g, '').split('/')

const wrong = (expected: string, example: string, text: string): AppError =>
  new AppError('invalid', `Expected ${expected}, got ${JSON.stringify(text)}`, { hint: `For example: ${example}` })

/** Parses `collection/task`. */
export const parseTask = (text: string): TaskPlace => {
  const [collection, task, ...rest] = segmentsOf(text)
  if (!collection || !task || rest.length > 0) throw wrong('<collection>/<task>', 'demo/hello', text)
  return { collection, task }
}

/** Parses `collection/task`, or `collection/task@version`. */
export const parseTaskAt = (text: string): { place: TaskPlace; version: string | undefined } => {
  const at = text.indexOf('@')
  if (at < 0) return { place: parseTask(text), version: undefined }
  const version = text.slice(at + 1)
  if (version === '') throw wrong('a version behind the @', 'demo/hello@production', text)
  return { place: parseTask(text.slice(0, at)), version }
}

/** For example `~3 (production)`: the version that runs execute, and the reference that it was asked by. */
export const versionText = (version: AskedVersion | null): string | null => {
  if (!version) return null
  const { ref, index } = version
  return ref.startsWith('~') || ref === String(index) ? `~${index}` : `~${index} (${ref})`
}

/** Parses `collection/task/trajectory`, or the URL of a run's page. */
export const parseRun = (text: string): RunPlace => {
  const path = /^https?:\/\//.test(text) ? new URL(text).pathname : text
  const segments = segmentsOf(path)
  const [collection, task, id, ...rest] = segments[0] === 'trajectory' ? segments.slice(1) : segments
  if (!collection || !task || !id || rest.length > 0) {
    throw wrong('<collection>/<task>/<trajectory>', 'demo/hello/1f2e3d4c', text)
  }
  return { collection, task, trajectory_id: id }
}

/** Parses the id of a run or batch: alone, as `collection/task/trajectory`, or from a page's URL. */
export const parentId = (text: string): string => {
  const path = /^https?:\/\//.test(text) ? new URL(text).pathname : text
  return segmentsOf(path).at(-1) ?? ''
}

export const placeText = ({ collection, task, trajectory_id: id }: TaskPlace & { trajectory_id?: string }): string =>
  id === undefined ? `${collection}/${task}` : `${collection}/${task}/${id}`

export interface BatchPlace {
  collection: string
  batch_id: string
}

/** Parses `collection/batch`. */
export const parseBatch = (text: string): BatchPlace => {
  const [collection, id, ...rest] = segmentsOf(text)
  if (!collection || !id || rest.length > 0) throw wrong('<collection>/<batch>', 'demo/1f2e3d4c', text)
  return { collection, batch_id: id }
}

export const batchText = ({ collection, batch_id: id }: BatchPlace): string => `${collection}/${id}`

/** Parses `collection/task/name`. */
export const parseRoutine = (text: string): RoutinePlace => {
  const [collection, task, name, ...rest] = segmentsOf(text)
  if (!collection || !task || !name || rest.length > 0) {
    throw wrong('<collection>/<task>/<name>', 'demo/hello/every-morning', text)
  }
  return { collection, task, name }
}

export const routineText = ({ collection, task, name }: RoutinePlace): string => `${collection}/${task}/${name}`

/** A hook by the names of its collection and its own. */
export interface HookPlace {
  collection: string
  name: string
}

/** Parses `collection/hook`. */
export const parseHook = (text: string): HookPlace => {
  const [collection, name, ...rest] = segmentsOf(text)
  if (!collection || !name || rest.length > 0) throw wrong('<collection>/<hook>', 'demo/hello-github', text)
  return { collection, name }
}

export const hookText = ({ collection, name }: HookPlace): string => `${collection}/${name}`

/** A dataset by the names of its collection and its own. */
export interface DatasetPlace {
  collection: string
  dataset: string
}

/** Parses `collection/dataset`. */
export const parseDataset = (text: string): DatasetPlace => {
  const [collection, dataset, ...rest] = segmentsOf(text)
  if (!collection || !dataset || rest.length > 0) throw wrong('<collection>/<dataset>', 'acme/questions', text)
  return { collection, dataset }
}
