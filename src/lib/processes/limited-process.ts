import { type ChildProcess, fork } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'

/** What a process may use. */
export interface ProcessLimits {
  seconds: number
  memoryBytes: number
}

/** A program beside a module (`import.meta.url`), and what it may use. */
export interface LimitedProgram {
  module: string
  program: string
  limits: ProcessLimits
}

/** What ended a process before its result: a limit, somebody else, or the process itself. */
export type ProcessEnd = 'timeout' | 'memory' | 'killed' | 'crashed'

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

/** Starts a process with an empty environment, since it reads what strangers have sent. */
export const startProcess = ({ module, program, limits }: LimitedProgram): ChildProcess => {
  const isSource = module.endsWith('.ts')
  const path = fileURLToPath(new URL(`./${program}.${isSource ? 'ts' : 'js'}`, module))
  const heap = `--max-old-space-size=${Math.ceil(limits.memoryBytes / 2 ** 20)}`
  const child = fork(path, {
    execArgv: [heap, ...(isSource ? ['--import', 'tsx'] : [])],
    env: {},
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  // A busy process does not notice that the server has gone.
  const kill = () => void child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  try {
    if (child.pid !== undefined) setPriority(child.pid, priority)
  } catch {
    // It has ended already, or the system does not allow it: the limits hold without it.
  }
  return child
}

/** The memory of a process, where the system tells it: Linux. Elsewhere only the heap of JavaScript is limited. */
export const residentBytes = async (pid: number): Promise<number> => {
  const text = await readFile(`/proc/${pid}/statm`, 'latin1').catch(() => '')
  return Number(text.split(' ')[1] ?? 0) * 4096
}

/** V8 aborts when its heap is full; the system kills with SIGKILL when its memory is. */
const endOf = (code: number | null, signal: NodeJS.Signals | null): ProcessEnd => {
  if (signal === 'SIGABRT' || code === 134) return 'memory'
  return signal === 'SIGKILL' ? 'killed' : 'crashed'
}

/** Calls back when a process reaches a limit or ends. Returns a function that stops watching. */
export const watchLimits = (
  child: ChildProcess,
  limits: ProcessLimits,
  ended: (end: ProcessEnd) => void,
): (() => void) => {
  const timer = setTimeout(() => ended('timeout'), limits.seconds * 1000)
  const watch = setInterval(async () => {
    if ((await residentBytes(child.pid ?? 0)) > limits.memoryBytes) ended('memory')
  }, memoryCheckMs)
  const exited = (code: number | null, signal: NodeJS.Signals | null) => ended(endOf(code, signal))
  const failed = () => ended('crashed') // it could not start, or no message reaches it
  child.on('exit', exited)
  child.on('error', failed)
  return () => {
    clearTimeout(timer)
    clearInterval(watch)
    child.off('exit', exited)
    child.off('error', failed)
  }
}

/**
 * Runs a program in a process of its own. The process is killed when it has given a result, or takes too long or too
 * much memory: then `ended` gives the result or the error.
 */
export const runLimitedProcess = <Sent, Received, Result>(
  program: LimitedProgram,
  handlers: {
    first: Sent
    receive(message: Received, process: LimitedProcess<Sent, Result>): void
    ended(end: ProcessEnd, process: LimitedProcess<Sent, Result>): void
  },
): Promise<Result> => {
  const child = startProcess(program)
  let stopWatching = () => {}
  return new Promise<Result>((resolve, reject) => {
    const send = (message: Sent) => {
      if (child.connected) child.send(message as object)
    }
    const process = { send, resolve, reject }
    stopWatching = watchLimits(child, program.limits, (end) => handlers.ended(end, process))
    child.on('error', reject)
    child.on('message', (message) => handlers.receive(message as Received, process))
    send(handlers.first)
  }).finally(() => {
    stopWatching()
    child.kill('SIGKILL')
  })
}
