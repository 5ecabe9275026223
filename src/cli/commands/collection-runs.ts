import { AppError } from '../../lib/errors.ts'
import type { Session } from '../session.ts'
import { duration, moment, paintStatus, safe, table } from '../show/output.ts'
import { shortStatus } from '../show/run-overview.ts'
import { requireFree, saveResponse } from '../show/save-response.ts'

/** Filters of `jetty runs ls`, as given. */
export interface RunListOptions {
  status?: string[]
  label?: string[]
  search?: string
  since?: string
  model?: string
  minCost?: number
  maxCost?: number
  minDuration?: number
  maxDuration?: number
  sort?: string
  ascending?: boolean
  error?: string
  parent?: string
  format?: string
  output?: string
  force?: boolean
  limit: number
}

type Query = NonNullable<Parameters<Session['client']['listCollectionRuns']>[0]['query']>
type Run = Awaited<ReturnType<Session['client']['listCollectionRuns']>>['runs'][number]

const waiting = 'waiting'

/** Members of a query that only the list of a whole collection has. */
const collectionQuery = (options: RunListOptions): Query => ({
  ...(options.status?.includes(waiting) ? { waiting_for: ['approval'] } : {}),
  ...(options.model === undefined ? {} : { model: options.model }),
  ...(options.minCost === undefined ? {} : { min_cost_usd: options.minCost }),
  ...(options.maxCost === undefined ? {} : { max_cost_usd: options.maxCost }),
  ...(options.minDuration === undefined ? {} : { min_duration_seconds: options.minDuration }),
  ...(options.maxDuration === undefined ? {} : { max_duration_seconds: options.maxDuration }),
  ...(options.error === undefined ? {} : { error: options.error }),
  ...(options.parent === undefined ? {} : { parent_id: options.parent }),
  ...(options.sort === undefined ? {} : { sort: options.sort as never }),
  ...(options.ascending ? { order: 'asc' as const } : {}),
})

/** Tells whether an option needs the list of the whole collection. */
export const needsCollectionList = (options: RunListOptions): boolean =>
  options.format !== undefined || Object.keys(collectionQuery(options)).length > 0

const queryOf = (task: string | undefined, options: RunListOptions): Query => ({
  ...collectionQuery(options),
  ...(task === undefined ? {} : { task: [task] }),
  ...(options.status && !options.status.includes(waiting) ? { status: options.status as never } : {}),
  ...(options.label ? { label: options.label } : {}),
  ...(options.search === undefined ? {} : { q: options.search }),
  ...(options.since === undefined ? {} : { created_after: options.since }),
})

const mostAtOnce = 200

/** Lists the runs of a collection or one of its tasks, as a table or a complete export. */
export const listCollectionRuns = async (
  session: Session,
  at: { collection: string; task?: string },
  options: RunListOptions,
): Promise<void> => {
  const { client, out, signal } = session
  if (options.status?.includes(waiting) && options.status.length > 1) {
    throw new AppError('invalid', '--status waiting cannot be combined with another status', {
      hint: 'A run that waits for a person is running. List the others with a second command.',
    })
  }
  const params = { collection: at.collection }
  const query = queryOf(at.task, options)
  if (options.format !== undefined) return exportRuns(session, params, query, options)
  if (options.output !== undefined) {
    throw new AppError('invalid', '-o needs --format', {
      hint: 'Add --format csv or --format jsonl to export runs to a file.',
    })
  }
  const rows: Run[] = []
  let cursor: string | null = ''
  while (cursor !== null && rows.length < options.limit && !signal.aborted) {
    const limit = Math.min(options.limit - rows.length, mostAtOnce)
    const page: { runs: Run[]; next_cursor: string | null } = await client.listCollectionRuns({
      params,
      query: { ...query, cursor, limit },
    })
    rows.push(...page.runs)
    cursor = page.next_cursor
  }
  out.answer(rows, () => (rows.length === 0 ? '' : runTable(rows)))
  if (rows.length === 0) out.note(`No runs of ${at.task ? `${at.collection}/${at.task}` : at.collection} match.`)
}

/** Exports all matching runs. A file appears complete or not at all; an interrupted export to stdout fails. */
const exportRuns = async (
  { call, out, signal }: Session,
  params: { collection: string },
  query: Query,
  options: RunListOptions,
): Promise<void> => {
  const path = options.output ?? '-'
  const target = { path, isForced: options.force ?? false, signal }
  requireFree(target)
  const input = { params, query: { ...query, format: options.format }, signal, asResponse: true }
  await saveResponse((await call('listCollectionRuns', input)) as Response, target)
  if (path !== '-') out.answer({ path }, () => path)
}

const runTable = (rows: Run[]): string =>
  table(
    ['RUN', 'STATUS', 'CREATED', 'DURATION', 'COST', 'MODELS', 'ERROR'],
    rows.map((run) => [
      `${run.task}/${run.trajectory_id}`,
      shortStatus(run),
      moment(run.created),
      duration(run.duration_seconds),
      run.cost_usd === null ? null : `$${Number(run.cost_usd.toFixed(6))}`,
      safe(run.models.join(' ')),
      run.error ?? '',
    ]),
    (text, column) => (column === 1 ? paintStatus(text) : text),
  )
