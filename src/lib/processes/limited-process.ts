import { type ChildProcess, fork } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'

/** What a process may use. */
export interface ProcessLimits {
  seconds: number
  memoryBytes: number
}

/** What ended a process before its result: a limit, or the process itself, mostly for lack of memory. */
export type ProcessEnd = 'timeout' | 'memory' | 'exit'

/** The server's side of a limited process. */
export interface LimitedProcess<Sent, Result> {
  /** Sends a message, unless the process has ended. */
  send(message: Sent): void
  resolve(result: Result): void
  reject(error: unknown): void
}

const memoryCheckMs = 50
/** Requests of others go before what strangers make this process compute. */
const priority = 10

/** Starts the process with an empty environment, since it reads what strangers have sent. */
const start = (module: string, program: string, memoryBytes: number): ChildProcess => {
  const isSource = module.endsWith('.ts')
  const path = fileURLToPath(new URL(`./${program}.${isSource ? 'ts' : 'js'}`, module))
  const child = fork(path, {
    execArgv: [`--max-old-space-size=${Math.ceil(memoryBytes / 2 ** 20)}`, ...(isSource ? ['--import', 'tsx'] : [])],
    env: {},
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  try {
    if (child.pid !== undefined) setPriority(child.pid, priority)
  } catch {
    // It has ended already, or the system does not allow it: the limits hold without it.
  }
  return child
}

/** The memory of a process, where the system tells it: Linux. Elsewhere only the heap of JavaScript is limited. */
const residentBytes = async (pid: number): Promise<number> => {
  const text = await readFile(`/proc/${pid}/statm`, 'latin1').catch(() => '')
  return Number(text.split(' ')[1] ?? 0) * 4096
}

/**
 * Runs a program beside a module (`import.meta.url`) in a process of its own. The process is killed when it has given a
 * result, or takes too long or too much memory: then `ended` gives the result or the error.
 */
export const runLimitedProcess = <Sent, Received, Result>(
  { module, program, limits }: { module: string; program: string; limits: ProcessLimits },
  handlers: {
    first: Sent
    receive(message: Received, process: LimitedProcess<Sent, Result>): void
    ended(end: ProcessEnd, process: LimitedProcess<Sent, Result>): void
  },
): Promise<Result> => {
  const child = start(module, program, limits.memoryBytes)
  return new Promise<Result>((resolve, reject) => {
    const send = (message: Sent) => {
      if (child.connected) child.send(message as object)
    }
    const process = { send, resolve, reject }
    const timer = setTimeout(() => handlers.ended('timeout', process), limits.seconds * 1000)
    const watch = setInterval(async () => {
      if ((await residentBytes(child.pid ?? 0)) > limits.memoryBytes) handlers.ended('memory', process)
    }, memoryCheckMs)
    child.on('error', reject)
    child.on('exit', () => handlers.ended('exit', process))
    child.on('message', (message) => handlers.receive(message as Received, process))
    child.once('close', () => {
      clearTimeout(timer)
      clearInterval(watch)
    })
    send(handlers.first)
  }).finally(() => child.kill('SIGKILL'))
}
