import type { Trajectory } from '../../model/runs/trajectory.ts'
import { attempt, type CopyContext } from './copy-context.ts'

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
export const copyRuns = async (context: CopyContext, collection: string, task: string, most: number): Promise<void> => {
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
