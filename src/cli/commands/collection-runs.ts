import { type Command, Option } from 'commander'
import { AppError } from '../../lib/errors.ts'
import type { collectionRunFilterFields } from '../../model/runs/run-filter.ts'
import { outsideWaits, runTriggers } from '../../model/runs/run-lists.ts'
import { runStatuses } from '../../model/workflows/workflow.ts'
import { amount, collect, parseChoice, positive } from '../input/inputs.ts'
import { past, span } from '../input/moments.ts'
import { parentId } from '../input/places.ts'
import type { Session } from '../session.ts'
import { duration, moment, paintStatus, safe, table } from '../show/output.ts'
import { shortStatus } from '../show/run-overview.ts'
import { requireFree, saveResponse } from '../show/save-response.ts'

interface Filter {
  flags: string
  text: string
  parse?: (value: string, before: never) => unknown
}

const statuses = parseChoice([...runStatuses, 'waiting'])
const label = '<key[:value]>'

/**
 * The option for each filter that the API has; `task` is a part of the argument. A new filter of the API needs a row here.
 * The list of one task is shorter, and knows the first four.
 */
const filters: Record<Exclude<keyof typeof collectionRunFilterFields, 'task'>, Filter> = {
  status: {
    flags: '-s, --status <status>',
    text: 'only runs with this status; repeat for several; waiting: those that wait for a person',
    parse: statuses.each,
  },
  label: {
    flags: `-l, --label ${label}`,
    text: 'only runs with this label; repeat to require several',
    parse: collect,
  },
  q: { flags: '-q, --search <text>', text: 'only runs whose id, error or parameters contain this text' },
  created_after: {
    flags: '--since <when>',
    text: 'only runs that started after: 1h, 2d, 1w ago, or a moment such as 2026-11-25T08:00:00Z',
    parse: past,
  },
  task_not: { flags: '--not-task <task>', text: 'no runs of this task; repeat for several', parse: collect },
  created_before: { flags: '--until <when>', text: 'only runs that started before', parse: past },
  status_not: {
    flags: '--not-status <status>',
    text: 'no runs with this status; repeat for several',
    parse: parseChoice(runStatuses).each,
  },
  label_not: {
    flags: `--not-label ${label}`,
    text: 'no runs with this label; repeat for several',
    parse: collect,
  },
  waiting_for: {
    flags: '--waiting-for <what>',
    text: 'only runs that wait for an approval or an event',
    parse: parseChoice(outsideWaits).each,
  },
  trigger: {
    flags: '--trigger <what>',
    text: `only runs that were started by: ${runTriggers.join(', ')}; repeat for several`,
    parse: parseChoice(runTriggers).each,
  },
  author: {
    flags: '--author <author>',
    text: 'only runs of this author: admin or api-key:<name>; repeat for several',
    parse: collect,
  },
  version: {
    flags: '--task-version <version>',
    text: 'only runs with this version of the workflow: its number in the history, or its hash',
  },
  routine_id: { flags: '--routine <id>', text: 'only runs that this routine started', parse: positive },
  top_level: { flags: '--top-level', text: 'no runs that other runs or batches started' },
  model: { flags: '--model <model>', text: 'only runs with a step that called this model' },
  min_cost_usd: {
    flags: '--min-cost <usd>',
    text: 'only runs with a known cost of at least this many US dollars',
    parse: amount,
  },
  max_cost_usd: {
    flags: '--max-cost <usd>',
    text: 'only runs with a known cost of at most this many US dollars',
    parse: amount,
  },
  min_duration_seconds: {
    flags: '--min-duration <time>',
    text: 'only runs that took at least this long: 90s, 15m, 2h',
    parse: span,
  },
  max_duration_seconds: {
    flags: '--max-duration <time>',
    text: 'only runs that took at most this long',
    parse: span,
  },
  error: { flags: '--error <text>', text: 'only runs whose error contains this text' },
  parent_id: { flags: '--parent <run>', text: 'only child runs of this run or batch', parse: parentId },
}

/** Adds an option for each filter of runs. */
export const addRunFilters = (command: Command): Command =>
  Object.values(filters).reduce(
    (extended, { flags, text, parse }) =>
      parse ? extended.option(flags, text, parse as never) : extended.option(flags, text),
    command,
  )

/** Options of `jetty runs ls`, as given; the filters among them are those of the table above. */
export interface RunListOptions {
  status?: string[]
  sort?: string
  ascending?: boolean
  format?: string
  output?: string
  force?: boolean
  limit: number
}

type Query = NonNullable<Parameters<Session['client']['listCollectionRuns']>[0]['query']>
type Run = Awaited<ReturnType<Session['client']['listCollectionRuns']>>['runs'][number]

const waiting = 'waiting'
const attributes = Object.entries(filters).map(
  ([name, { flags }]) => [name, new Option(flags).attributeName()] as const,
)

/** The filters and the order that options ask for, as members of a query. */
export const runQuery = (options: RunListOptions): Query => {
  const given = options as unknown as Record<string, unknown>
  const query: Record<string, unknown> = {}
  for (const [name, attribute] of attributes) if (given[attribute] !== undefined) query[name] = given[attribute]
  if (options.status?.includes(waiting)) {
    delete query.status
    query.waiting_for = ['approval']
  }
  if (options.sort !== undefined) query.sort = options.sort
  if (options.ascending) query.order = 'asc'
  return query as Query
}

const ofEveryList = ['status', 'label', 'q', 'created_after']

/** Tells whether an option needs the list of the whole collection. */
export const needsCollectionList = (options: RunListOptions): boolean =>
  options.format !== undefined || Object.keys(runQuery(options)).some((name) => !ofEveryList.includes(name))

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
  const query: Query = { ...runQuery(options), ...(at.task !== undefined && { task: [at.task] }) }
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
