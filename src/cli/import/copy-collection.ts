import { attempt, type CopyContext, orMissing } from './copy-context.ts'
import { copyDatasets } from './copy-datasets.ts'
import { copyRoutines } from './copy-routines.ts'
import { copyRuns } from './copy-runs.ts'
import { copyTasks } from './copy-tasks.ts'

/** What of a collection is copied. */
interface CopyChoice {
  /** Most runs of each task. */
  mostRuns: number
}

const copyFrame = async ({ source, target, log }: CopyContext, collection: string): Promise<void> => {
  const { description, environment_variables: theirs } = await source.getCollection({ params: { collection } })
  const there = await orMissing(target.getCollection({ params: { collection } }))
  const made = there ?? (await target.createCollection({ body: { name: collection, description } }))
  log.count(there ? 'collections that were there' : 'collections created')
  const missing = Object.keys(theirs ?? {}).filter((name) => !Object.hasOwn(made.environment_variables, name))
  if (missing.length > 0) log.state.variables_to_set[collection] = missing.sort()
  else delete log.state.variables_to_set[collection]
}

/** Copies a collection: its frame, its tasks, datasets and routines, then the runs of each task with their files. */
export const copyCollection = async (
  context: CopyContext,
  collection: string,
  { mostRuns }: CopyChoice,
): Promise<void> => {
  const isThere = await attempt(context, collection, async () => {
    await copyFrame(context, collection)
    return true
  })
  if (!isThere) return
  const tasks = (await attempt(context, collection, () => copyTasks(context, collection))) ?? []
  await attempt(context, collection, () => copyDatasets(context, collection))
  await attempt(context, collection, () => copyRoutines(context, collection))
  context.log.save()
  for (const { name } of tasks) {
    await attempt(context, `${collection}/${name}`, () => copyRuns(context, collection, name, mostRuns))
  }
}
