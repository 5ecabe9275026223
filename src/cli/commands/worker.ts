import { stat } from 'node:fs/promises'
import { type Command, InvalidArgumentError } from 'commander'
import pc from 'picocolors'
import type { OwnActivity } from '../../activities/own/own-activity.ts'
import type { WorkerLog } from '../../client/worker/worker-options.ts'
import { AppError } from '../../lib/errors.ts'
import { type Session, withSession } from '../session.ts'
import { safe } from '../show/output.ts'

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
