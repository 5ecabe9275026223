import type { ChildProcess } from 'node:child_process'
import { closeSync, constants, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { lchown } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { AppError } from '../../../lib/errors.ts'
import { exhaustionRemedy } from '../../../lib/exhaustion.ts'
import { pause } from '../../../lib/time.ts'
import { runTool, startProgram } from './run-tool.ts'

/** Creates named pipes: a command can reopen them as `/dev/stdout`. */
export const makeNamedPipes = async (mode: string, paths: readonly string[]): Promise<void> => {
  const { code, stderr } = await runTool('mkfifo', ['-m', mode, '--', ...paths])
  if (code === 0) return
  const hint = exhaustionRemedy(stderr)
  throw new AppError(
    hint === undefined ? 'internal' : 'sandbox_unavailable',
    `Pipes cannot be created at ${paths[0]}: ${stderr.slice(0, 500)}`,
    hint === undefined ? {} : { hint },
  )
}

/** A pipe of this process whose ends can be opened at a path. */
interface SparePipe {
  path: string
  /** Call it when both ends are open. */
  close(): void
}

/** Pipes of one command. */
const ofACommand = 3
/** Pipes made at once: a start of `mkfifo` for each command would take as long as many a command. */
const atOnce = process.platform === 'linux' ? 4 * ofACommand : ofACommand

const spare: SparePipe[] = []
let making: Promise<void> | undefined

/** Opens a pipe, which then needs no name: on Linux its descriptor is a path to it. */
const opened = (path: string): SparePipe => {
  if (process.platform !== 'linux') return { path, close: () => rmSync(path) }
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  return { path: `/proc/self/fd/${descriptor}`, close: () => closeSync(descriptor) }
}

const makeSpare = async (folder: string): Promise<void> => {
  mkdirSync(folder, { mode: 0o700 })
  const paths = Array.from({ length: atOnce }, (_, at) => join(folder, String(at)))
  try {
    await makeNamedPipes('666', paths)
    for (const path of paths) spare.push(opened(path))
  } catch (error) {
    if (spare.length < ofACommand) throw error // some were made before descriptors ran out
  } finally {
    if (process.platform === 'linux') rmSync(folder, { recursive: true, force: true })
  }
}

/** Takes the pipes of one command. `folder` is made for a moment when there are none left. */
const takePipes = async (folder: string): Promise<[SparePipe, SparePipe, SparePipe]> => {
  while (spare.length < ofACommand) {
    making ??= makeSpare(folder).finally(() => {
      making = undefined
    })
    await making
  }
  return spare.splice(-ofACommand) as [SparePipe, SparePipe, SparePipe]
}

/** Standard input and outputs of a command: descriptors for the command, streams for the server. */
interface CommandPipes {
  /** Passed to `start`, which closes them. */
  descriptors: [stdin: number | 'ignore', stdout: number, stderr: number]
  stdout: Readable
  stderr: Readable
  /**
   * Status channel of the launcher. Its descriptor holds both ends, so that writing to it after the server's death is
   * no fatal SIGPIPE.
   */
  status: { descriptor: number; stream: Readable }
  /** Starts the command with the descriptors. Rejects with the start error and closes everything then. */
  start(...program: Parameters<typeof startProgram>): Promise<ChildProcess>
  /** Closes the server's ends and drops what is in them. */
  discard(): void
}

/**
 * Opens real pipes for the outputs and a file for the input. Node's own stdio uses sockets, which programs cannot
 * reopen as `/dev/stdout` or `/dev/stdin`. `folder` names a place on disk where nothing is, and nothing stays; `uid` becomes
 * the owner of the input file.
 */
export const openCommandPipes = async (
  folder: string,
  stdin: string | undefined,
  uid: number | undefined,
): Promise<CommandPipes> => {
  const streams: Socket[] = []
  const descriptors: number[] = []
  const closeTheirs = () => {
    for (const descriptor of descriptors.splice(0)) closeSync(descriptor)
  }
  const discard = () => {
    closeTheirs()
    for (const stream of streams) stream.destroy()
  }
  const openTheirs = (path: string, flags: number): number => {
    const descriptor = openSync(path, flags)
    descriptors.push(descriptor)
    return descriptor
  }
  const openPipe = (path: string, flags: number = constants.O_WRONLY) => {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stream = new Socket({ fd, readable: true, writable: false })
    streams.push(stream)
    return { stream, descriptor: openTheirs(path, flags) }
  }
  const openInput = async (text: string): Promise<number> => {
    const path = `${folder}-in`
    writeFileSync(path, text, { mode: 0o400, flag: 'wx' })
    try {
      if (uid !== undefined) await lchown(path, uid, uid)
      return openTheirs(path, constants.O_RDONLY)
    } finally {
      rmSync(path)
    }
  }

  const pipes = await takePipes(folder)
  try {
    const stdout = openPipe(pipes[0].path)
    const stderr = openPipe(pipes[1].path)
    const status = openPipe(pipes[2].path, constants.O_RDWR)
    const input = stdin === undefined ? 'ignore' : await openInput(stdin)
    return {
      descriptors: [input, stdout.descriptor, stderr.descriptor],
      ...{ stdout: stdout.stream, stderr: stderr.stream, status, discard },
      async start(...program) {
        try {
          return await startProgram(...program)
        } catch (error) {
          discard()
          throw error
        } finally {
          closeTheirs()
        }
      },
    }
  } catch (error) {
    discard()
    throw error
  } finally {
    for (const pipe of pipes) pipe.close()
  }
}

const heldLookMs = 100
const heldLooks = 10

/**
 * Waits until the outputs of a finished command are drained, and ends those that a stray process holds open without
 * writing: a process no longer known to belong to the command must not keep it from ending.
 */
export const endHeldOutputs = async (outputs: readonly Readable[]): Promise<void> => {
  const over = new AbortController()
  void Promise.allSettled(outputs.map((output) => finished(output))).then(() => over.abort())
  let silentLooks = 0
  while (await pause(heldLookMs, over.signal)) {
    silentLooks = outputs.every((output) => output.readableLength === 0) ? silentLooks + 1 : 0
    if (silentLooks < heldLooks) continue
    for (const output of outputs) {
      output.push(null)
      output.destroy() // otherwise late output during the last read would raise an error
    }
  }
}
