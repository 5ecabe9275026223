import { closeSync, constants, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { lchown } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { AppError } from '../lib/errors.ts'
import { runTool } from './run-tool.ts'

/** What a command reads and writes, as descriptors for it and as streams for us. */
export interface CommandPipes {
  /** For `spawn`; they are closed here by `handedOver`, once the command has them. */
  descriptors: [stdin: number | 'ignore', stdout: number, stderr: number]
  stdout: Readable
  stderr: Readable
  /** Where it can tell of itself: its descriptor is both ends, so that it does not die of telling a process that is dead. */
  status: { descriptor: number; stream: Readable }
  handedOver(): void
}

/** Opens a pipe that has a name for a moment. Whoever has it may open it again as `/dev/stdout`. */
const openPipe = (path: string, flags: number = constants.O_WRONLY): { reading: Socket; writing: number } => {
  const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writing = openSync(path, flags)
  rmSync(path)
  return { reading: new Socket({ fd: reading, readable: true, writable: false }), writing }
}

/**
 * Real pipes, and a file for what is read: what Node makes by itself are sockets, which programs cannot open by the name
 * of `/dev/stdout` or `/dev/stdin`. `uid` is whom the file is given to.
 */
export const openCommandPipes = async (
  folder: string,
  stdin: string | undefined,
  uid: number | undefined,
): Promise<CommandPipes> => {
  mkdirSync(folder, { mode: 0o700 })
  const [out, err, told, given] = ['stdout', 'stderr', 'status', 'stdin'].map((name) => join(folder, name)) as [
    ...[string, string, string, string],
  ]
  const made = await runTool('mkfifo', ['-m', '666', '--', out, err, told])
  if (made.code !== 0) throw new AppError('internal', `No pipes can be made in ${folder}: ${made.stderr.slice(0, 500)}`)
  const stdout = openPipe(out)
  const stderr = openPipe(err)
  const status = openPipe(told, constants.O_RDWR)
  let input: number | 'ignore' = 'ignore'
  if (stdin !== undefined) {
    writeFileSync(given, stdin, { mode: 0o400, flag: 'wx' })
    if (uid !== undefined) await lchown(given, uid, uid)
    input = openSync(given, 'r')
  }
  rmSync(folder, { recursive: true })
  const handedOver = () => {
    for (const descriptor of [input, stdout.writing, stderr.writing, status.writing]) {
      if (typeof descriptor === 'number') closeSync(descriptor)
    }
  }
  return {
    descriptors: [input, stdout.writing, stderr.writing],
    stdout: stdout.reading,
    stderr: stderr.reading,
    status: { descriptor: status.writing, stream: status.reading },
    handedOver,
  }
}
