import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pause } from '../../../src/lib/time.ts'
import { compiledProgram } from '../../compiled.ts'

/** A server in a process of its own, with everything that may be done to it. */
export interface ServerProcess {
  pid: number
  /** Where the API answers, once it is up; rejects when the process ended before. */
  ready: Promise<string>
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  readonly alive: boolean
  kill(): Promise<void>
  freeze(): void
  thaw(): void
  /** SIGTERM; gives the exit code and how long it took, in ms. */
  stop(): Promise<{ code: number | null; milliseconds: number }>
}

const longestStart = 120_000

export const spawnServer = (folder: string, env: Record<string, string>): ServerProcess => {
  const log = openSync(join(folder, 'server.log'), 'a')
  const child = spawn(process.execPath, [compiledProgram('test/crash/harness/server')], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: folder, CRASH_FOLDER: folder, ...env },
    stdio: ['pipe', 'pipe', log],
  })
  closeSync(log)
  const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }))
  const { pid } = child
  if (pid === undefined) throw new Error('the server could not be spawned')
  const ready = firstLine(child).then((line) => {
    if (line === undefined)
      throw new Error(
        `the server did not start; its log: ${readFileSync(join(folder, 'server.log'), 'utf8').slice(-2_000)}`,
      )
    return (JSON.parse(line) as { url: string }).url
  })
  ready.catch(() => {})
  const isAlive = () => child.exitCode === null && child.signalCode === null
  return {
    pid,
    ready,
    exited,
    get alive() {
      return isAlive()
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async stop() {
      const begun = performance.now()
      child.kill('SIGTERM')
      const { code } = await exited
      return { code, milliseconds: Math.round(performance.now() - begun) }
    },
  }
}

/** What the process says first; undefined when it ends, or takes too long, without a word. */
const firstLine = async (child: ChildProcess): Promise<string | undefined> => {
  if (!child.stdout) return undefined
  const lines = createInterface({ input: child.stdout })
  const said = once(lines, 'line').then(([line]) => line as string)
  const silent = once(lines, 'close').then(() => undefined)
  const late = new AbortController()
  try {
    return await Promise.race([said, silent, pause(longestStart, late.signal).then(() => undefined)])
  } finally {
    late.abort()
  }
}
