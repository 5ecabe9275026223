import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, closeSync, constants, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ofAPipe = 2
/** Descriptors that Node needs to start a child, and one to spare. */
const ofAChild = 3

/**
 * Throws when too few descriptors are free to start a child with so many pipes. Node 20.20 leaks the parent's ends of
 * the pipes when descriptors suffice for them but not for the rest, so a server at its descriptor limit would never
 * recover. Start the child right after this call, before anything else takes the descriptors.
 */
export const needRoomForChild = (pipes: number): void => {
  const taken: number[] = []
  try {
    while (taken.length < pipes * ofAPipe + ofAChild) taken.push(openSync('/dev/null', 'r'))
  } finally {
    for (const descriptor of taken) closeSync(descriptor)
  }
}

/** Whether a child has ended and was reaped: its pid may already belong to another process. */
export const isCollected = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null

/** Starts a program. Rejects when it cannot be started, whether Node throws that error or emits it. */
export const startProgram = async (
  [file = '', ...args]: readonly string[],
  options: SpawnOptions & { stdio: readonly unknown[] },
): Promise<ChildProcess> => {
  needRoomForChild(options.stdio.filter((one) => one === 'pipe').length)
  const child = spawn(file, args, options)
  if (child.pid === undefined) await once(child, 'spawn')
  return child
}

interface ToolResult {
  /** Exit code; null when the program could not be started, was killed, or timed out. */
  code: number | null
  stdout: string
  stderr: string
}

const longestMs = 600_000
const mostBytes = 4 * 1024 ** 2

/** Runs a system program without the server's environment, and returns its output. Never throws. */
export const runTool = (
  file: string,
  args: readonly string[],
  { env = {}, timeoutMs = longestMs }: { env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<ToolResult> =>
  new Promise<ToolResult>((resolve) => {
    needRoomForChild(3)
    const options = { env: { PATH: systemPath, LC_ALL: 'C', ...env }, timeout: timeoutMs, maxBuffer: mostBytes }
    const child = execFile(file, [...args], { ...options, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : null) : 0
      resolve({ code, stdout, stderr: stderr || (error && code === null ? error.message : '') })
    })
    child.stdin?.end()
  }).catch((error: Error) => ({ code: null, stdout: '', stderr: error.message })) // the program could not be started

/** PATH of the system's programs, independent of the server's own PATH. */
export const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Folder of the platform's programs that run inside sandboxes. */
export const toolsFolder = fileURLToPath(new URL('../inside', import.meta.url))

/** Finds a program by name in the system folders and in the server's PATH. */
export const findProgram = (name: string): string | undefined =>
  [...systemPath.split(':'), ...(process.env.PATH ?? '').split(':')]
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
