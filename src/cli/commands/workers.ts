import { stat } from 'node:fs/promises'
import { type Command, InvalidArgumentError } from 'commander'
import pc from 'picocolors'
import type { OwnActivity } from '../../activities/own/own-activity.ts'
import type { WorkerLog } from '../../client/worker/worker-options.ts'
import { AppError } from '../../lib/errors.ts'
import type { ListedWorker } from '../../model/workers/worker.ts'
import { type Session, withSession } from '../session.ts'
import { moment, safe, table } from '../show/output.ts'

interface RunOptions {
  name?: string
  programVersion?: string
  labels?: string[]
  concurrency?: number
  drain?: number
  poll?: number
}

const wholeNumber = (text: string): number => {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number > 1_000_000) throw new InvalidArgumentError('It must be a whole number.')
  return number
}

const labelList = (text: string, before: string[] = []): string[] => [
  ...before,
  ...text
    .split(',')
    .map((label) => label.trim())
    .filter(Boolean),
]

/** `jetty worker …`. */
export const registerWorker = (program: Command): void => {
  program
    .command('worker')
    .description('Carry out activities of your own for a server')
    .command('run <files...>')
    .description('Start a worker with the activities of modules, or of all modules of a folder; Ctrl-C drains it')
    .option('-l, --labels <list>', 'what steps can ask for, such as gpu,eu', labelList)
    .option('-c, --concurrency <count>', 'jobs at a time (default: 4)', wholeNumber)
    .option('-n, --name <name>', 'name of the worker (default: the host name)')
    .option('--program-version <text>', 'version of the activities: a run goes on with the one that it began with')
    .option('--drain <seconds>', 'time for jobs to end when it stops (default: 30)', wholeNumber)
    .option(
      '--poll <seconds>',
      'longest wait of a poll (default: as the server says); 50 behind a proxy that holds answers back',
      wholeNumber,
    )
    .addHelpText(
      'after',
      `
A module declares activities as those in JETTY_ACTIVITIES_DIR do: see docs/own-activities.md. Names have a dot, such as
images.resize. The worker needs no open port: it asks the server for jobs, and reconnects for as long as it takes.

Examples:
  jetty worker run activities/*.mjs
  jetty worker run activities --labels gpu --concurrency 2`,
    )
    .action(withSession<RunOptions, [string[]]>(run))
}

/** Loads all modules. Throws every problem of every file at once. */
const load = async (paths: readonly string[]): Promise<OwnActivity[]> => {
  const [{ importActivities, problemsOf }, { modulePathsIn }] = await Promise.all([
    import('../../activities/own/import-modules.ts'),
    import('../../activities/own/module-folder.ts'),
  ])
  const isFolder = async (path: string) => (await stat(path).catch(() => undefined))?.isDirectory() ?? false
  const files = await Promise.all(paths.map(async (path) => ((await isFolder(path)) ? modulePathsIn(path) : [path])))
  const modules = await Promise.all(files.flat().map(importActivities))
  const problems = problemsOf(modules, () => false)
  if (problems.length > 0) {
    throw new AppError('invalid', `These modules cannot be used:${problems.map((one) => `\n- ${one}`).join('')}`, {
      hint: 'docs/own-activities.md shows a module.',
    })
  }
  return modules.flatMap(({ activities }) => activities)
}

const makeLog = ({ out }: Session) => {
  const colours = { info: pc.dim, warning: pc.yellow, error: pc.red }
  return ({ level, message, job }: WorkerLog): void => {
    const about = job === undefined ? '' : `${job}: `
    out.note(`${pc.dim(new Date().toISOString())} ${colours[level](level)} ${safe(about + message)}`)
  }
}

const run = async (session: Session, [paths]: [string[]], options: RunOptions): Promise<void> => {
  const activities = await load(paths)
  const { worker } = await import('../../client/worker/worker.ts')
  const stopping = new AbortController()
  const stop = () => stopping.abort()
  session.signal.addEventListener('abort', stop)
  process.once('SIGTERM', stop)
  await worker({
    url: session.url,
    token: session.token,
    activities,
    labels: options.labels ?? [],
    ...(options.name !== undefined && { name: options.name }),
    ...(options.programVersion !== undefined && { version: options.programVersion }),
    ...(options.concurrency !== undefined && { concurrency: options.concurrency }),
    ...(options.drain !== undefined && { drainSeconds: options.drain }),
    ...(options.poll !== undefined && { pollSeconds: options.poll }),
    signal: stopping.signal,
    log: makeLog(session),
  })
  session.out.note('Stopped: the worker has no jobs left.')
}

/** `jetty workers …`. */
export const registerWorkers = (program: Command): void => {
  const workers = program
    .command('workers')
    .description('List workers: programs on other machines that carry out steps')
  workers
    .command('ls')
    .description('List the workers of your collections, newest first')
    .option('--all', 'also workers that are gone: for a day after they were seen last')
    .addHelpText('after', '\nExamples:\n  jetty workers ls\n  jetty workers ls --all --json')
    .action(withSession<ListOptions>(list))
  workers
    .command('stop <worker>')
    .description('Give a worker no more jobs; it finishes those that it has, and exits')
    .addHelpText('after', '\nExamples:\n  jetty workers stop 5b0a6f3e-8f5c-4b7e-9d55-0d6a4f6f2b11')
    .action(withSession<object, [string]>(stop))
}

interface ListOptions {
  all?: boolean
}

const list = async ({ client, out }: Session, _: string[], { all }: ListOptions): Promise<void> => {
  const workers = await allWorkers(client, all ? 'all' : 'online')
  out.answer(workers, () =>
    workers.length === 0
      ? ''
      : table(
          ['ID', 'NAME', 'STATE', 'JOBS', 'VERSION', 'LABELS', 'OFFERS', 'COLLECTIONS', 'SEEN'],
          workers.map((worker) => [
            worker.worker_id,
            worker.name,
            worker.state,
            `${worker.jobs} of ${worker.concurrency}`,
            worker.version ?? '-',
            worker.labels.join(', ') || '-',
            worker.activities.map(({ name }) => name).join(', '),
            worker.collections?.join(', ') ?? 'all',
            moment(worker.seen_at),
          ]),
        ),
  )
  if (workers.length === 0) out.note('No worker polls for jobs. docs/workers.md says how to write one.')
}

const allWorkers = async (client: Session['client'], state: 'online' | 'all'): Promise<ListedWorker[]> => {
  const found: ListedWorker[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await client.listWorkers({ query: { state, limit: '500', ...(cursor === '' ? {} : { cursor }) } })
    found.push(...page.workers)
    cursor = page.next_cursor
  }
  return found
}

const stop = async ({ client, out }: Session, [worker]: [string]): Promise<void> => {
  const stopped = await client.stopWorker({ params: { worker_id: worker } })
  out.answer(stopped, () => `The worker gets no more jobs. It still has ${stopped.jobs}.`)
}
