import { execFile } from 'node:child_process'
import { needRoomForChild } from './start-program.ts'

export interface ToolResult {
  /** Null where it could not be started, was killed, or took too long. */
  code: number | null
  stdout: string
  stderr: string
}

const longestMs = 600_000
const mostBytes = 4 * 1024 ** 2

/** Runs a program of the system, which sees nothing of our environment, and gives what it says. Never throws. */
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
  }).catch((error: Error) => ({ code: null, stdout: '', stderr: error.message })) // it was not started

/** Where the programs of a system are, also for a server that was started with a PATH of its own. */
export const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
