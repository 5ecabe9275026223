import { attempt, type CopyContext, orMissing } from './copy-context.ts'
import { copyRuns } from './copy-runs.ts'
import { copyTasks } from './copy-tasks.ts'

/** What of a collection is copied. */
export interface CopyChoice {
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

/** Datasets have no place in an import yet that keeps their versions: the report names them. */
const noteDatasets = async (context: CopyContext, collection: string): Promise<void> => {
  const datasets = await orMissing(context.source.listCollectionDatasets({ params: { collection } }))
  for (const dataset of datasets ?? [])
    context.log.problem(`${collection}: dataset ${dataset.name}`, 'Datasets are not copied')
}

/** Copies a collection: its frame, its tasks, then the runs of each task with their files. */
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
  await attempt(context, collection, () => noteDatasets(context, collection))
  context.log.save()
  for (const { name } of tasks) {
    await attempt(context, `${collection}/${name}`, () => copyRuns(context, collection, name, mostRuns))
  }
}
