import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { confinement } from './confinement.ts'

/** What a process may use. */
export interface ProcessLimits {
  /** Seconds of a processor; four times as many may pass. */
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

/** How often it is looked what a process uses. */
const lookMs = 50
/** The niceness of what strangers make a process compute: requests of others go before it. */
const niceness = '10'

/**
 * `nice` becomes the program: a priority that is given afterwards reaches Bubblewrap, and not the process that it may have
 * started already.
 */
const nicely = (file: string, args: string[]): [string, string[]] =>
  process.platform === 'win32' ? [file, args] : ['nice', ['-n', niceness, file, ...args]]

/**
 * Lowers a session. Linux shares processors among sessions first, and looks at priorities only inside of each ("The
 * autogroup feature" in sched(7)). Who is not root may change one session in a tenth of a second, so it tries again.
 */
const lowerSession = (pid: number, tries = 50): void => {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, niceness)
  } catch (error) {
    if (tries > 0 && (error as NodeJS.ErrnoException).code === 'EAGAIN') {
      setTimeout(lowerSession, 100 + Math.random() * 100, pid, tries - 1).unref()
    } // else the system does not have it, or the process has ended already
  }
}

/**
 * Starts a process that is confined as this machine allows, with an empty environment, since it reads what strangers have
 * sent.
 */
export const startProcess = async ({ module, program, limits }: LimitedProgram): Promise<ChildProcess> => {
  const isSource = module.endsWith('.ts')
  const path = fileURLToPath(new URL(`./${program}.${isSource ? 'ts' : 'js'}`, module))
  const heap = `--max-old-space-size=${Math.ceil(limits.memoryBytes / 2 ** 20)}`
  const { command } = await confinement()
  const { file, args } = command(path, [heap, ...(isSource ? ['--import', 'tsx'] : [])])
  const child = spawn(...nicely(file, args), {
    env: {},
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    detached: true, // a session of its own: the keyboard does not interrupt it while the server stops
  })
  // A busy process does not notice that the server has gone.
  const kill = () => killProcess(child)
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  if (child.pid !== undefined) lowerSession(child.pid)
  return child
}

const textOf = (path: string): string => {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** How often it is looked whether a process has stopped, which takes it microseconds. */
const mostLooks = 2_000

/**
 * Kills a process and those that it has started. Bubblewrap, killed before it has tied its child to itself, would leave it
 * behind; so it is stopped first, and starts no other one while its children are looked for.
 */
export const killProcess = (child: ChildProcess): void => {
  const { pid } = child
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGSTOP')
  for (let looks = 0; looks < mostLooks && /\) [RSD] /.test(textOf(`/proc/${pid}/stat`)); looks++);
  for (const below of textOf(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean)) {
    try {
      process.kill(Number(below), 'SIGKILL')
    } catch {
      // It has ended already.
    }
  }
  child.kill('SIGKILL')
}

/** A process and those below it, where the system lists them: Linux. */
const treeOf = async (pid: number): Promise<number[]> => {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1').catch(() => '')
  const below = await Promise.all(
    children
      .split(' ')
      .filter(Boolean)
      .map((child) => treeOf(Number(child))),
  )
  return [pid, ...below.flat()]
}

/** What a process and those below it use: resident memory, and processor time since they began. */
interface ProcessUse {
  bytes: number
  seconds: number
}

const pageBytes = 4096
/** Of processor time in /proc: always 100 a second (`man 5 proc`). */
const ticksPerSecond = 100

const useOfOne = async (pid: number): Promise<ProcessUse> => {
  const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')
  const [memory, times] = await Promise.all([read('statm'), read('stat')])
  const afterName = times.slice(times.lastIndexOf(')') + 1).split(' ') // a name may have spaces
  const [user, system] = [Number(afterName[12] ?? 0), Number(afterName[13] ?? 0)]
  return { bytes: Number(memory.split(' ')[1] ?? 0) * pageBytes, seconds: (user + system) / ticksPerSecond }
}

/** Elsewhere than on Linux it is 0: only the heap of JavaScript and the time that passes are limited. */
const useOf = async (pid: number): Promise<ProcessUse> => {
  const all = await Promise.all((await treeOf(pid)).map(useOfOne))
  const sum = { bytes: 0, seconds: 0 }
  for (const { bytes, seconds } of all) {
    sum.bytes += bytes
    sum.seconds += seconds
  }
  return sum
}

/** The memory of a process and of those below it. */
export const residentBytes = async (pid: number): Promise<number> => (await useOf(pid)).bytes

/** V8 aborts when its heap is full; the system kills with SIGKILL when its memory is. Bubblewrap ends with 128 and the signal. */
const endOf = (code: number | null, signal: NodeJS.Signals | null): ProcessEnd => {
  if (signal === 'SIGABRT' || code === 134) return 'memory'
  return signal === 'SIGKILL' || code === 137 ? 'killed' : 'crashed'
}

/** It comes after all others: on a busy machine so many times its seconds pass until a processor has worked on it for them. */
const patience = 4

/** Calls back when a process reaches a limit or ends. Returns a function that stops watching. */
export const watchLimits = (
  child: ChildProcess,
  limits: ProcessLimits,
  ended: (end: ProcessEnd) => void,
): (() => void) => {
  const pid = child.pid ?? 0
  const timer = setTimeout(() => ended('timeout'), limits.seconds * 1000 * patience)
  const before = useOf(pid)
  const watch = setInterval(async () => {
    const [use, { seconds }] = await Promise.all([useOf(pid), before])
    if (use.bytes > limits.memoryBytes) ended('memory')
    else if (use.seconds - seconds > limits.seconds) ended('timeout')
  }, lookMs)
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

interface ProcessHandlers<Sent, Received, Result> {
  first: Sent
  receive(message: Received, process: LimitedProcess<Sent, Result>): void
  ended(end: ProcessEnd, process: LimitedProcess<Sent, Result>): void
}

/**
 * Runs a program in a process of its own. The process is killed when it has given a result, or takes too long or too
 * much memory: then `ended` gives the result or the error.
 */
export const runLimitedProcess = <Sent, Received, Result>(
  program: LimitedProgram,
  handlers: ProcessHandlers<Sent, Received, Result>,
): Promise<Result> => startProcess(program).then((child) => converse(child, program, handlers))

const converse = <Sent, Received, Result>(
  child: ChildProcess,
  program: LimitedProgram,
  handlers: ProcessHandlers<Sent, Received, Result>,
): Promise<Result> => {
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
    killProcess(child)
  })
}
