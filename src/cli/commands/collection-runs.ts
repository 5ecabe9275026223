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
  error?: string
  parent?: string
  format?: string
  output?: string
  force?: boolean
  limit: number
}

type Query = NonNullable<Parameters<Session['client']['listCollectionRuns']>[0]['query']>
type Run = Awaited<ReturnType<Session['client']['listCollectionRuns']>>['runs'][number]

/** Tells whether a filter needs the list of the whole collection. */
export const needsCollectionList = (options: RunListOptions): boolean =>
  isForWaiting(options) ||
  [options.model, options.minCost, options.maxCost, options.error, options.parent, options.format].some(
    (one) => one !== undefined,
  )

/** Waiting runs have the status running: the server lists those, and the others of them are left out here. */
const isForWaiting = ({ status = [] }: RunListOptions): boolean => status.includes('waiting')

const askedStatuses = (status: readonly string[]): string[] => [
  ...new Set(status.map((one) => (one === 'waiting' ? 'running' : one))),
]

const queryOf = (task: string | undefined, options: RunListOptions): Query => ({
  ...(task === undefined ? {} : { task: [task] }),
  ...(options.status ? { status: askedStatuses(options.status) as never } : {}),
  ...(options.label ? { label: options.label } : {}),
  ...(options.search === undefined ? {} : { q: options.search }),
  ...(options.since === undefined ? {} : { created_after: options.since }),
  ...(options.model === undefined ? {} : { model: options.model }),
  ...(options.minCost === undefined ? {} : { min_cost_usd: options.minCost }),
  ...(options.maxCost === undefined ? {} : { max_cost_usd: options.maxCost }),
  ...(options.error === undefined ? {} : { error: options.error }),
  ...(options.parent === undefined ? {} : { parent_id: options.parent }),
})

const mostAtOnce = 200

/** Lists the runs of a collection or one of its tasks, as a table or a complete export. */
export const listCollectionRuns = async (
  session: Session,
  at: { collection: string; task?: string },
  options: RunListOptions,
): Promise<void> => {
  const { client, out, signal } = session
  const params = { collection: at.collection }
  const query = queryOf(at.task, options)
  if (options.format !== undefined && isForWaiting(options)) {
    throw new AppError('invalid', '--status waiting cannot be exported', {
      hint: 'Use --json instead of --format, or export the runs that are running.',
    })
  }
  if (options.format !== undefined) return exportRuns(session, params, query, options)
  if (options.output !== undefined) {
    throw new AppError('invalid', '-o needs --format', {
      hint: 'Add --format csv or --format jsonl to export runs to a file.',
    })
  }
  const rows: Run[] = []
  let cursor: string | null = ''
  while (cursor !== null && rows.length < options.limit && !signal.aborted) {
    const limit = isForWaiting(options) ? mostAtOnce : Math.min(options.limit - rows.length, mostAtOnce)
    const page: { runs: Run[]; next_cursor: string | null } = await client.listCollectionRuns({
      params,
      query: { ...query, cursor, limit },
    })
    rows.push(
      ...(isForWaiting(options) ? page.runs.filter((run) => options.status?.includes(shortStatus(run))) : page.runs),
    )
    cursor = page.next_cursor
  }
  rows.splice(options.limit)
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
