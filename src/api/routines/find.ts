import { AppError } from '../../lib/errors.ts'
import type { FoundCollection, FoundTask } from '../../model/collections/identity.ts'
import { isName } from '../../model/names.ts'
import type { Queries } from '../../store/database/database.ts'
import { findRoutine, type ListedRoutine } from '../../store/routines.ts'
import { missingTask } from '../tasks/missing-task.ts'

/** The members of a call that name a task. */
export interface TaskCall {
  collection: FoundCollection
  task: FoundTask | undefined
  params: { task: string }
}

/** The members of a call that name a routine. */
export interface RoutineCall extends TaskCall {
  params: { task: string; name: string }
}

/** The task of a call. Throws a 404 if it does not exist. */
export const taskOf = ({ collection, task, params }: TaskCall): FoundTask => {
  if (task) return task
  throw missingTask(params.task, collection.name)
}

export const missingRoutine = (name: string, task: FoundTask) =>
  new AppError('not_found', `Routine '${name}' of task '${task.name}' not found`)

/** Finds a routine by its name. Throws a 404 if it does not exist. */
export const getRoutine = async (database: Queries, task: FoundTask, name: string): Promise<ListedRoutine> => {
  const row = isName(name) ? await findRoutine(database, task.id, name) : undefined
  if (!row) throw missingRoutine(name, task)
  return row
}
