import { isDeepStrictEqual } from 'node:util'
import { allPages } from '../all-pages.ts'
import { attempt, type CopyContext, orMissing } from './copy-context.ts'

/** A task of the source. Older servers leave members out. */
interface SourceTask {
  name: string
  workflow: Record<string, unknown>
  description?: string | null
  version?: string | null
  has_file_uploads?: boolean
  is_private?: boolean | null
  is_chat_flow?: boolean
}

const bodyOf = (task: SourceTask) => ({
  name: task.name,
  workflow: task.workflow,
  description: task.description ?? null,
  version: task.version ?? null,
  has_file_uploads: task.has_file_uploads ?? false,
  is_private: task.is_private ?? true,
  is_chat_flow: task.is_chat_flow ?? false,
})

const copyTask = async (context: CopyContext, collection: string, task: SourceTask): Promise<void> => {
  const { target, log, overwrites } = context
  const params = { collection, task: task.name }
  const there = await orMissing(target.getTask({ params }))
  if (!there) {
    await target.createTask({ params: { collection }, body: bodyOf(task) })
    return log.count('tasks created')
  }
  if (isDeepStrictEqual(there.workflow, task.workflow)) return log.count('tasks unchanged')
  if (!overwrites) {
    return log.problem(`${collection}/${task.name}`, 'The target has another workflow; --overwrite replaces it')
  }
  await target.updateTask({ params, body: { ...bodyOf(task), note: `Imported from ${log.state.from}` } })
  log.count('tasks replaced')
}

/** Tasks that servers make themselves, such as `_chat`: the target makes its own with the first run that is copied. */
const isOwn = (name: string): boolean => name.startsWith('_')

/** Copies the tasks of a collection, and returns those of the source. */
export const copyTasks = async (context: CopyContext, collection: string): Promise<SourceTask[]> => {
  const tasks: SourceTask[] = await allPages(100, (query) =>
    context.source.listTasks({ params: { collection }, query }),
  )
  for (const task of tasks.filter(({ name }) => !isOwn(name))) {
    context.signal.throwIfAborted()
    await attempt(context, `${collection}/${task.name}`, () => copyTask(context, collection, task))
  }
  return tasks
}
