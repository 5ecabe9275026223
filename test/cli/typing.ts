import { type ChildProcess, fork } from 'node:child_process'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtProgram } from '../shared.ts'

/** A command that needs nothing of a process of its own: no terminal, and no signal. */
export interface Line {
  args: string[]
  env: Record<string, string>
  cwd: string
  /** What it reads. */
  stdin?: string
}

export interface Printed {
  code: number | null
  stdout: string
  stderr: string
}

const longestMs = 50_000

/** What ends by itself; all others are started as they are installed. */
const hosted = new Set([
  ...['approvals', 'approve', 'batch', 'collections', 'datasets', 'diff', 'env', 'eval', 'files', 'import', 'keys'],
  ...['labels', 'reject', 'replay', 'rerun', 'routines', 'run', 'runs', 'status', 'tasks', 'templates', 'trial'],
  ...['types', 'webhooks', 'whoami', 'backup', 'restore', 'storage', 'skills', 'chat', 'traces'],
])

/** Whether the host may run it in the place of a process. */
export const isHosted = ({ args, env, stdin }: Line): boolean => {
  const [command = '', act] = args
  const isChosen = hosted.has(command) || (command === 'runbook' && (act === 'check' || act === 'validate'))
  return (
    isChosen && (stdin !== undefined || !args.includes('-')) && env.NO_COLOR === '1' && env.NODE_DEBUG === undefined
  )
}

let host: Promise<ChildProcess> | undefined
let isBusy = false

const startHost = async (): Promise<ChildProcess> => {
  const program = join(dirname(await builtProgram()), 'cli/program.js')
  const child = fork(fileURLToPath(new URL('./typing-host.mjs', import.meta.url)), [program], {
    env: { PATH: process.env.PATH, TMPDIR: tmpdir(), NO_COLOR: '1' },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  child.on('error', () => {}) // it has ended, and whoever waits for it hears of that
  child.once('exit', () => {
    host = undefined
  })
  await answerOf(child)
  if (!child.connected) throw new Error(`${program} cannot be loaded: see what it has printed`)
  return child
}

/** Its next message; that of a process that was ended where it ends before. */
const answerOf = (child: ChildProcess): Promise<Printed> =>
  new Promise((resolve) => {
    const settle = (answer: Printed) => {
      child.off('message', answered).off('exit', ended)
      resolve(answer)
    }
    const answered = (message: unknown) => settle(message as Printed)
    const ended = () => settle({ code: null, stdout: '', stderr: 'the process that runs typed commands has ended' })
    child.once('message', answered).once('exit', ended)
  })

/** Runs a command in the host of this worker; undefined while that runs another one. */
export const typeHosted = async (line: Line): Promise<Printed | undefined> => {
  if (isBusy) return undefined
  isBusy = true
  try {
    host ??= startHost()
    const child = await host
    if (!child.connected) return undefined
    const late = setTimeout(() => child.kill('SIGKILL'), longestMs)
    const answer = answerOf(child)
    child.send(line)
    return await answer.finally(() => clearTimeout(late))
  } finally {
    isBusy = false
  }
}
