import { type Command, Option } from 'commander'
import pc from 'picocolors'
import { AppError } from '../../lib/errors.ts'
import { pause } from '../../lib/time.ts'
import type { collectionRunFilterFields } from '../../model/runs/run-filter.ts'
import { outsideWaits, runSorts, runTriggers } from '../../model/runs/run-lists.ts'
import type { TrajectorySummary } from '../../model/runs/trajectory.ts'
import { runStatuses } from '../../model/workflows/workflow.ts'
import { findRunPlace, runMeaning } from '../input/find-run.ts'
import { amount, collect, parseChoice, positive } from '../input/inputs.ts'
import { past, span } from '../input/moments.ts'
import { parentId, parseTask, placeText, type RunPlace } from '../input/places.ts'
import { type Session, withSession } from '../session.ts'
import { followRun } from '../show/follow-run.ts'
import { openInBrowser } from '../show/open-in-browser.ts'
import { duration, moment, paintStatus, safe, table } from '../show/output.ts'
import { runOverview, shortStatus } from '../show/run-overview.ts'
import { requireFree, saveResponse } from '../show/save-response.ts'
import { showEnd } from './run.ts'

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
    text: 'only runs with this version of the workflow: its number in the history, a tag, or its hash',
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
const addRunFilters = (command: Command): Command =>
  Object.values(filters).reduce(
    (extended, { flags, text, parse }) =>
      parse ? extended.option(flags, text, parse as never) : extended.option(flags, text),
    command,
  )

/** Options of `jetty runs ls`, as given; the filters among them are those of the table above. */
interface RunListOptions {
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
const runQuery = (options: RunListOptions): Query => {
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
const needsCollectionList = (options: RunListOptions): boolean =>
  options.format !== undefined || Object.keys(runQuery(options)).some((name) => !ofEveryList.includes(name))

/** Lists the runs of a collection or one of its tasks, as a table or a complete export. */
const listCollectionRuns = async (
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
  out.answer(rows, () => (rows.length === 0 ? '' : collectionTable(rows)))
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

const collectionTable = (rows: Run[]): string =>
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

const runArgument = '<run>'

const sorts = parseChoice(runSorts)
const levels = parseChoice(['debug', 'info', 'warning', 'error'])

/** `jetty runs …`. */
export const registerRuns = (program: Command): void => {
  const runs = program.command('runs').description('List runs, wait for them, cancel them')
  const ls = runs
    .command('ls <collection[/task]>')
    .description('List the runs of a task or of a whole collection, newest first or in another order, or export them')
  addRunFilters(ls)
    .option('--sort <by>', 'created, duration (only runs that have ended) or cost (only a known cost)', sorts.once)
    .option('--ascending', 'oldest, shortest or cheapest first')
    .option('-n, --limit <n>', 'maximum number to list; an export has all', positive, 20)
    .option('--format <format>', 'export as jsonl or csv', parseChoice(['jsonl', 'csv']).once)
    .option('-o, --output <path>', 'output file of an export (default: - is stdout)')
    .option('--force', 'overwrite an existing file')
    .addHelpText(
      'after',
      `
Examples:
  jetty runs ls demo/hello
  jetty runs ls demo --status failed
  jetty runs ls acme --model gpt-4o --min-cost 0.50 --since 2026-11-01
  jetty runs ls acme --sort cost -n 10
  jetty runs ls acme/report --sort duration --min-duration 15m
  jetty runs ls acme --format csv -o runs.csv
  jetty runs ls acme/report --status failed --since 2d -n 100
  jetty runs ls acme/report --label quality:high --json`,
    )
    .action(withSession<RunListOptions, [string]>(list))
  runs
    .command(`get ${runArgument}`)
    .description('Show one run: its steps, or with --json the whole trajectory')
    .option('--step <name>', 'show only the inputs and outputs of this step')
    .addHelpText(
      'after',
      `\n${runMeaning}\n\nExamples:\n  jetty runs get demo/hello\n  jetty runs get demo/hello/1f2e3d4c --step echo --json`,
    )
    .action(withSession<{ step?: string }, [string]>(show))
  runs
    .command(`watch ${runArgument}`)
    .description('Follow a run until it has ended')
    .addHelpText('after', `\n${runMeaning}\n\nExamples:\n  jetty runs watch demo/hello/1f2e3d4c`)
    .action(
      withSession<object, [string]>(async (session, [run]) =>
        showEnd(session, await followRun(session, await findRunPlace(session, run), { isDetailed: true })),
      ),
    )
  runs
    .command(`logs ${runArgument}`)
    .description('Print the log of a run, oldest first')
    .option('--level <level>', 'only entries of this level: debug, info, warning or error', levels.once)
    .option('-f, --follow', 'continue until the run has ended')
    .addHelpText('after', `\n${runMeaning}\n\nExamples:\n  jetty runs logs demo/hello --level error`)
    .action(withSession<LogOptions, [string]>(logs))
  runs
    .command('cancel <run...>')
    .description('Cancel runs: interrupt the running step and start no further one')
    .addHelpText('after', `\n${runMeaning}\n\nExamples:\n  jetty runs cancel demo/hello/1f2e3d4c`)
    .action(withSession<object, [string[]]>(cancel))
  runs
    .command(`open ${runArgument}`)
    .description('Open the page of a run in the browser')
    .addHelpText('after', `\n${runMeaning}\n\nExamples:\n  jetty runs open demo/hello`)
    .action(
      withSession<object, [string]>(async (session, [run]) => {
        const place = await findRunPlace(session, run)
        const { url } = await session.client.getTrajectory({ params: place })
        await requirePage(url, place)
        if (!session.out.isJson) openInBrowser(url)
        session.out.answer({ url }, () => url)
      }),
    )
  runs
    .command(`download ${runArgument}`)
    .description('Download a run as a ZIP archive: trajectory.json and all its input and output files')
    .option('-o, --output <path>', 'output file (default: <trajectory>.zip; - is stdout)')
    .option('--force', 'overwrite an existing file')
    .addHelpText('after', `\n${runMeaning}\n\nExamples:\n  jetty runs download demo/hello/1f2e3d4c -o hello.zip`)
    .action(withSession<DownloadOptions, [string]>(download))
}

/** A server of today has no pages; JETTY_PUBLIC_URL may lead to one that does. */
const requirePage = async (url: string, place: RunPlace): Promise<void> => {
  const answer = await fetch(url, { headers: { accept: 'text/html' } }).catch(() => undefined)
  await answer?.body?.cancel()
  if (answer?.ok && answer.headers.get('content-type')?.startsWith('text/html')) return
  throw new AppError('not_found', `The server has no page at ${url}`, {
    hint: `Show the run with: jetty runs get ${placeText(place)}`,
  })
}

const mostAtOnce = 200

const list = async (session: Session, [place]: [string], options: RunListOptions): Promise<void> => {
  const [collection = ''] = place.split('/')
  if (place === collection) return listCollectionRuns(session, { collection }, options)
  const at = parseTask(place)
  if (needsCollectionList(options)) return listCollectionRuns(session, at, options)
  const rows: TrajectorySummary[] = []
  let cursor = ''
  for (let more = true; more && rows.length < options.limit && !session.signal.aborted; ) {
    const page = await session.client.listTrajectories({
      params: at,
      query: {
        view: 'summary',
        cursor,
        limit: Math.min(options.limit - rows.length, mostAtOnce),
        ...(runQuery(options) as object),
      },
    })
    rows.push(...page.trajectories)
    cursor = page.next_cursor ?? ''
    more = page.has_more && cursor !== ''
  }
  session.out.answer(rows, () => (rows.length === 0 ? '' : runTable(rows)))
  if (rows.length === 0) session.out.note(`No runs of ${placeText(at)} match.`)
}

export const runTable = (rows: TrajectorySummary[]): string =>
  table(
    ['TRAJECTORY', 'STATUS', 'CREATED', 'DURATION', 'STEPS', 'LABELS', 'ERROR'],
    rows.map((run) => [
      run.trajectory_id,
      shortStatus(run),
      moment(run.created),
      duration(run.duration_seconds),
      Object.keys(run.steps).length,
      run.labels.map(({ key, value }) => (value === '' ? key : `${key}:${value}`)).join(' '),
      run.error ?? '',
    ]),
    (text, column) => (column === 1 ? paintStatus(text) : text),
  )

const show = async (session: Session, [run]: [string], { step: name }: { step?: string }): Promise<void> => {
  const place = await findRunPlace(session, run)
  const trajectory = await session.client.getTrajectory({ params: place })
  if (name === undefined) return session.out.answer(trajectory, () => runOverview(trajectory))
  const step = Object.hasOwn(trajectory.steps, name) ? trajectory.steps[name] : undefined
  if (!step) {
    throw new AppError('not_found', `The run has no step ${JSON.stringify(name)}`, {
      hint: `Its steps: ${Object.keys(trajectory.steps).join(', ') || 'none yet'}`,
    })
  }
  const { inputs, outputs, error } = step
  session.out.answer(step, () => JSON.stringify({ inputs, outputs, ...(error ? { error } : {}) }, null, 2))
}

interface LogOptions {
  level?: 'debug' | 'info' | 'warning' | 'error'
  follow?: boolean
}

const lookAgainMs = 1_000
const levelColours = { debug: pc.dim, info: (text: string) => text, warning: pc.yellow, error: pc.red }

const logs = async (session: Session, [run]: [string], options: LogOptions): Promise<void> => {
  const place = await findRunPlace(session, run)
  const { workflow_id } = await session.client.getTrajectory({ params: place })
  const query = options.level ? { level: options.level } : {}
  const shown = new Set<string>()
  for (;;) {
    const found = await session.client.getWorkflowLogs({ params: { workflow_id }, query })
    const fresh = found.events.filter((event) => !shown.has(JSON.stringify(event)))
    for (const event of fresh) shown.add(JSON.stringify(event))
    const lines = fresh.map(
      (event) =>
        `${pc.dim(moment(event.timestamp))} ${levelColours[event.level](event.level.padEnd(7))} ${safe(event.message)}`,
    )
    if (fresh.length > 0) session.out.answer(fresh, () => lines.join('\n'))
    if (!options.follow || !['pending', 'running'].includes(found.status)) return
    if (!(await pause(lookAgainMs, session.signal))) return
  }
}

const cancel = async (session: Session, [given]: [string[]]): Promise<void> => {
  const places = await Promise.all(given.map((run) => findRunPlace(session, run)))
  const updated: Record<string, string> = {}
  for (const place of places) {
    const { trajectory_id: id, ...params } = place
    const before = await session.client.getTrajectory({ params: place })
    if (before.ended !== null) {
      session.out.note(`${placeText(place)} has already ended: ${before.status}`)
      updated[placeText(place)] = before.status
      continue
    }
    const answer = await session.client.setTrajectoryStatuses({ params, body: { [id]: 'cancelled' } })
    updated[placeText(place)] = answer.updated[id] ?? 'cancelled'
  }
  session.out.answer(updated, () =>
    Object.entries(updated)
      .map(([place, status]) => `${paintStatus(status)} ${place}`)
      .join('\n'),
  )
}

interface DownloadOptions {
  output?: string
  force?: boolean
}

const download = async (session: Session, [run]: [string], options: DownloadOptions): Promise<void> => {
  const { client, out, signal } = session
  const place = await findRunPlace(session, run)
  const path = options.output ?? `${place.trajectory_id}.zip`
  const target = { path, isForced: options.force ?? false, signal }
  requireFree(target)
  await saveResponse(await client.downloadTrajectory({ params: place, signal }), target)
  if (path !== '-') out.answer({ path }, () => path)
}
