import { isDeepStrictEqual } from 'node:util'
import { AppError } from '../../lib/errors.ts'
import type { Trajectory } from '../../model/runs/trajectory.ts'
import { allPages } from '../all-pages.ts'
import type { DatasetPlace } from '../input/places.ts'
import { attempt, type CopyContext, orMissing } from './copy-context.ts'

/** Files of one value that are looked at. */
const mostPaths = 1_000

/** Storage paths behind the name of their collection: files of runs, uploads, and data of datasets. */
const places = /^\/(?:[^/]+\/0000|_sandbox_uploads\/[^/]+|_datasets\/[^/]+)\/[^/]+$/

const isPath = (text: string, collection: string): boolean =>
  text.length < 1_024 && text.startsWith(`${collection}/`) && places.test(text.slice(collection.length))

/** Texts in a value that are storage paths of a collection. */
const pathsIn = (value: unknown, collection: string): string[] => {
  const found = new Set<string>()
  const open: unknown[] = [value]
  for (let next = open.pop(); next !== undefined && found.size < mostPaths; next = open.pop()) {
    if (typeof next === 'string') {
      if (isPath(next, collection)) found.add(next)
    } else if (typeof next === 'object' && next !== null) open.push(...Object.values(next))
  }
  return [...found]
}

/** Replaces texts of a value by others, whole texts only. */
const withPaths = (value: unknown, paths: Readonly<Record<string, string>>): unknown => {
  if (typeof value === 'string') return Object.hasOwn(paths, value) ? paths[value] : value
  if (Array.isArray(value)) return value.map((one) => withPaths(one, paths))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withPaths(one, paths)]))
}

const copyFile = async ({ fetchSource, target, log }: CopyContext, collection: string, path: string) => {
  const answer = (await fetchSource('downloadFile', { params: { path }, asResponse: true })) as Response
  const type = answer.headers.get('content-type') ?? 'application/octet-stream'
  const content = new Blob([await answer.arrayBuffer()], { type })
  const name = path.slice(path.lastIndexOf('/') + 1)
  const uploaded = await target.uploadFile({ body: { collection }, files: [{ field: 'file', name, content }] })
  log.noteFile(path, uploaded.path)
  log.count('files')
}

/** Copies the files that a value names, as far as they exist, and returns the value with their new paths. */
const withCopiedFiles = async (context: CopyContext, collection: string, value: unknown): Promise<unknown> => {
  if (!context.copiesFiles) return value
  const { files } = context.log.state
  for (const path of pathsIn(value, collection)) {
    context.signal.throwIfAborted()
    if (!Object.hasOwn(files, path)) await attempt(context, path, () => copyFile(context, collection, path))
  }
  return withPaths(value, files)
}

/** Runs of a page; each comes with all its values. */
const pageSize = 20

const endedStatuses = ['completed', 'failed', 'cancelled', 'archived'] as const
type EndedStatus = (typeof endedStatuses)[number]

/** A run of the source. Older servers leave members out. */
type SourceRun = Pick<Trajectory, 'trajectory_id' | 'status' | 'created' | 'init_params'> & Partial<Trajectory>

const isEnded = (status: string): status is EndedStatus => endedStatuses.some((one) => one === status)

/** The outputs of each step by its name. */
const outputsOf = ({ steps = {} }: SourceRun): Record<string, unknown> =>
  Object.fromEntries(Object.entries(steps).map(([name, step]) => [name, step.outputs ?? null]))

/** What an ingested run has no place for. */
const metadataOf = ({ workflow_id, error, task_version, steps = {} }: SourceRun) => ({
  ...(workflow_id && { workflow_id }),
  ...(error && { error }),
  ...(task_version && { task_version }),
  steps: Object.fromEntries(
    Object.entries(steps).map(([name, { activity, status, error: failed, duration_seconds: seconds }]) => [
      name,
      { activity, status, ...(failed && { error: failed }), duration_seconds: seconds ?? null },
    ]),
  ),
})

const copyRun = async (context: CopyContext, collection: string, task: string, run: SourceRun): Promise<void> => {
  const { target, log } = context
  const params = { collection, task }
  const { trajectory_id, status, created, ended, author, cost_usd, usage } = run
  if (!isEnded(status)) return log.count('runs that have not ended')
  const input = await withCopiedFiles(context, collection, run.init_params)
  const output = await withCopiedFiles(context, collection, outputsOf(run))
  await target.ingestTrajectory({
    params,
    body: {
      ...{ trajectory_id, status, created, input, output, source: log.state.from, metadata: metadataOf(run) },
      ...(ended && { completed: ended }),
      ...(author && { author }),
      ...(typeof cost_usd === 'number' && { cost_usd }),
      ...(usage && { usage }),
    },
  })
  for (const { key, value, author: labelled } of run.labels ?? []) {
    await target.addLabel({ params: { ...params, trajectory_id }, body: { key, value, author: labelled } })
  }
  log.count('runs')
}

interface Page {
  runs: SourceRun[]
  /** Undefined after the last page. */
  next: string | undefined
}

/** Reads a page by cursor, or by number from a server that returns no cursor. */
const readPage = async (
  { source }: CopyContext,
  params: { collection: string; task: string },
  at: string,
): Promise<Page> => {
  const number = /^page (\d+)$/.exec(at)?.[1]
  const query = { limit: pageSize, ...(number === undefined ? { cursor: at } : { page: Number(number) }) }
  const { trajectories, has_more, next_cursor } = await source.listTrajectories({ params, query })
  const runs = trajectories as SourceRun[]
  if (!has_more || runs.length === 0) return { runs, next: undefined }
  return { runs, next: next_cursor ?? `page ${Number(number ?? 1) + 1}` }
}

/**
 * Copies the runs of a task as ingested runs with the same ids, newest first. A later import continues after the last
 * page, or copies only runs that are newer than those of a complete import. `most` limits the runs of this import.
 */
const copyRuns = async (context: CopyContext, collection: string, task: string, most: number): Promise<void> => {
  const { log, signal, show } = context
  const name = `${collection}/${task}`
  const progress = log.state.tasks[name] ?? {}
  const known = progress.completeUpTo
  let at = progress.next ?? ''
  let newest = progress.newest ?? known
  const seen = new Set<string>()
  for (let copied = 0; copied < most; ) {
    signal.throwIfAborted()
    const { runs, next } = await readPage(context, { collection, task }, at)
    const unseen = runs.filter(({ created }) => known === undefined || created > known)
    const chosen = unseen.slice(0, most - copied)
    for (const run of chosen) {
      await attempt(context, `${name}/${run.trajectory_id}`, () => copyRun(context, collection, task, run))
      if (newest === undefined || run.created > newest) newest = run.created
    }
    copied += chosen.length
    show(`${name}: ${copied} runs`)
    if (chosen.length < unseen.length) return log.save() // a later import reads this page again
    if (next === undefined || unseen.length < runs.length) {
      log.noteTask(name, newest === undefined ? {} : { completeUpTo: newest })
      return log.save()
    }
    if (seen.has(next)) return log.problem(name, 'The source leads from one page of runs back to another')
    seen.add(next)
    at = next
    log.noteTask(name, { ...progress, next: at, ...(newest !== undefined && { newest }) })
    log.save()
  }
}

/** Member with the id of an item in an export; data with a member of this name would lose it. */
const idColumn = '__jetty_item_id'
const query = { id_column: idColumn, format: 'jsonl' } as const

/** Copies the items of the newest version as one new version, unless the target has other items. */
const copyItems = async (context: CopyContext, params: DatasetPlace): Promise<void> => {
  const { fetchSource, target, log, overwrites } = context
  const found = await orMissing(fetchSource('exportItems', { params: { ...params }, query, asResponse: true }))
  const theirs = found === undefined ? '' : await (found as Response).text()
  if (theirs.trim() === '') return
  const ours = await (await target.exportItems({ params, query })).text()
  if (ours === theirs) return log.count('lists of items unchanged')
  if (ours.trim() !== '' && !overwrites) {
    const problem = 'The target has other items; --overwrite adds and replaces those of the source'
    return log.problem(`${params.collection}: dataset ${params.dataset}`, problem)
  }
  const content = new Blob([theirs], { type: 'application/jsonl' })
  const files = [{ field: 'file', name: 'items.jsonl', content }]
  const { added, changed } = await target.importItems({ params, body: { id_column: idColumn }, files })
  log.state.counts.items = (log.state.counts.items ?? 0) + added + changed
}

/** Number of the last data file that the target has; -1: none. */
const lastAtTarget = async ({ target }: CopyContext, params: DatasetPlace): Promise<number> => {
  for (let after = -1; ; ) {
    const { files, has_more } = await target.listDatasetData({ params, query: { after, limit: 1000 } })
    after = files.at(-1)?.file_number ?? after
    if (!has_more) return after
  }
}

/** Copies the data files that the target lacks, in the order of their numbers. */
const copyData = async (context: CopyContext, params: DatasetPlace): Promise<void> => {
  const { source, target, fetchSource, log, signal } = context
  for (let after = await lastAtTarget(context, params); ; ) {
    const { files, has_more } = await source.listDatasetData({ params, query: { after, limit: 100 } })
    for (const { file_path: path, file_number, content_type: type } of files) {
      signal.throwIfAborted()
      if (file_number <= after) throw new AppError('conflict', 'The source lists its data files out of order')
      const answer = (await fetchSource('downloadFile', { params: { path }, asResponse: true })) as Response
      const content = new Blob([await answer.arrayBuffer()], { type })
      const name = path.slice(path.lastIndexOf('/') + 1)
      await target.uploadDatasetData({ params, body: {}, files: [{ field: 'data_file', name, content }] })
      log.count('data files')
      after = file_number
    }
    if (!has_more || files.length === 0) return
  }
}

const copyDataset = async (context: CopyContext, params: DatasetPlace): Promise<void> => {
  const { source, target, log, copiesFiles } = context
  const theirs = await source.getDataset({ params })
  if (await orMissing(target.getDataset({ params }))) log.count('datasets that were there')
  else {
    const { name, long_description, format, metadata_version, dataset_metadata, asset_origin, is_private } = theirs
    const { item_schema = null, splits = null } = theirs
    const body = { name, long_description, format, metadata_version, dataset_metadata, asset_origin, is_private }
    await target.createDataset({
      params: { collection: params.collection },
      body: { ...body, item_schema, splits },
    })
    log.count('datasets created')
  }
  await copyItems(context, params)
  if (copiesFiles) await copyData(context, params)
}

/** Copies the datasets of a collection with their metadata, items and data files. A server without datasets has none. */
const copyDatasets = async (context: CopyContext, collection: string): Promise<void> => {
  const listed = await orMissing(
    allPages(100, (query) => context.source.listDatasets({ params: { collection }, query })),
  )
  for (const { name } of listed ?? []) {
    await attempt(context, `${collection}: dataset ${name}`, () => copyDataset(context, { collection, dataset: name }))
  }
}

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
const copyTasks = async (context: CopyContext, collection: string): Promise<SourceTask[]> => {
  const tasks: SourceTask[] = await allPages(100, (query) =>
    context.source.listTasks({ params: { collection }, query }),
  )
  for (const task of tasks.filter(({ name }) => !isOwn(name))) {
    context.signal.throwIfAborted()
    await attempt(context, `${collection}/${task.name}`, () => copyTask(context, collection, task))
  }
  return tasks
}

type SourceRoutine = Awaited<ReturnType<CopyContext['source']['listRoutines']>>['routines'][number]

const picked = <Of extends object, Name extends keyof Of>(of: Of, names: readonly Name[]): Pick<Of, Name> =>
  Object.fromEntries(names.map((name) => [name, of[name]])) as Pick<Of, Name>

/** Creates a routine, paused: the source still fires it, and its secrets cannot be read. */
const copyRoutine = async ({ target, log }: CopyContext, collection: string, routine: SourceRoutine): Promise<void> => {
  const { name, task } = routine
  const params = { collection, task }
  if (await orMissing(target.getRoutine({ params: { ...params, name } }))) return log.count('routines that were there')
  await target.createRoutine({
    params,
    body: {
      ...picked(routine, ['name', 'cadence', 'init_params_overrides', 'webhook_url', 'overlap', 'catch_up']),
      paused: true,
    },
  })
  log.count('routines created, paused')
  if (routine.version) {
    log.problem(
      `${collection}/${task}: routine ${name}`,
      `It ran version ${routine.version}, and its copy runs the newest: tag a version here, then jetty routines update --at`,
    )
  }
  const secrets = [...(routine.secret_param_keys ?? []), ...(routine.has_webhook_secret ? ['its webhook secret'] : [])]
  if (secrets.length > 0)
    log.problem(
      `${collection}/${task}: routine ${name}`,
      `Values that cannot be read, set them here: ${secrets.join(', ')}`,
    )
}

/** Copies the routines of a collection. A server without routines has none. */
const copyRoutines = async (context: CopyContext, collection: string): Promise<void> => {
  const listed = await orMissing(
    allPages(100, async (query) => (await context.source.listRoutines({ params: { collection }, query })).routines),
  )
  for (const routine of listed ?? []) {
    context.signal.throwIfAborted()
    const at = `${collection}/${routine.task}: routine ${routine.name}`
    await attempt(context, at, () => copyRoutine(context, collection, routine))
  }
}

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
