import { closeSync, constants, mkdirSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../../lib/errors.ts'
import { exhaustionRemedy } from '../../../lib/exhaustion.ts'
import { runTool } from './run-tool.ts'

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
export const takePipes = async (folder: string): Promise<[SparePipe, SparePipe, SparePipe]> => {
  while (spare.length < ofACommand) {
    making ??= makeSpare(folder).finally(() => {
      making = undefined
    })
    await making
  }
  return spare.splice(-ofACommand) as [SparePipe, SparePipe, SparePipe]
}
