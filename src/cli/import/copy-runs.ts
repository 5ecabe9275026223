import type { Trajectory } from '../../model/runs/trajectory.ts'
import { attempt, type CopyContext } from './copy-context.ts'
import { withCopiedFiles } from './copy-files.ts'

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
