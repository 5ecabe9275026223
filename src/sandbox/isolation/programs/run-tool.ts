import { execFile } from 'node:child_process'
import { needRoomForChild } from './start-program.ts'

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
