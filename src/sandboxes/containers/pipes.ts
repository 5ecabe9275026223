import { chmodSync, closeSync, constants, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { AppError } from '../../lib/errors.ts'
import { runTool } from '../run-tool.ts'

/** What a command in a container reads and writes: a folder of named pipes, which it is given read-only. */
export interface ContainerPipes {
  folder: string
  stdout: Readable
  stderr: Readable
  /** Nobody is left to write: the outputs end when what is in them is read. */
  ended(): void
  close(): Promise<void>
}

/** Where that folder stands inside. */
export const pipesInside = '/run/command'

/**
 * Begins a command on its pipes, after what kills everything once we are gone: `alive` ends when nobody has it open for
 * writing, and nobody but us can. Whoever watches is nobody's child, so that no command waits for it.
 */
export const pipeScript = [
  `( ( read -r _ < ${pipesInside}/alive; kill -9 -1 ) > /dev/null 2>&1 & ) < /dev/null`,
  `exec "$@" < ${pipesInside}/in > ${pipesInside}/out 2> ${pipesInside}/err`,
].join('\n')

/** The reading end for us, and a writing end that keeps it from ending before anybody has begun to write. */
const openPipe = (path: string): { reading: Socket; writing: number } => {
  const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  return {
    reading: new Socket({ fd: reading, readable: true, writable: false }),
    writing: openSync(path, constants.O_WRONLY),
  }
}

/** Engines can hand streams over their own socket, but neither holds back a fast writer, nor closes what it has read. */
export const openContainerPipes = async (folder: string, stdin: string | undefined): Promise<ContainerPipes> => {
  mkdirSync(folder, { mode: 0o755 })
  chmodSync(folder, 0o755) // whatever the umask is
  const path = (name: string) => join(folder, name)
  const made = await runTool('mkfifo', ['-m', '622', '--', path('out'), path('err'), path('alive')])
  if (made.code !== 0) throw new AppError('internal', `No pipes can be made in ${folder}: ${made.stderr.slice(0, 500)}`)
  writeFileSync(path('in'), stdin ?? '', { mode: 0o444, flag: 'wx' })
  chmodSync(path('in'), 0o444)
  const alive = openSync(path('alive'), constants.O_RDWR | constants.O_NONBLOCK)
  chmodSync(path('alive'), 0o444)
  const out = openPipe(path('out'))
  const err = openPipe(path('err'))
  let isEnded = false
  const ended = () => {
    if (isEnded) return
    isEnded = true
    for (const descriptor of [out.writing, err.writing, alive]) closeSync(descriptor)
  }
  return {
    folder,
    stdout: out.reading,
    stderr: err.reading,
    ended,
    async close() {
      ended()
      out.reading.destroy()
      err.reading.destroy()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
