import { chmodSync, closeSync, constants, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { makeNamedPipes } from '../programs/named-pipes.ts'

/** Standard input and outputs of a command in a container: a folder of named pipes, mounted read-only. */
export interface ContainerPipes {
  folder: string
  stdout: Readable
  stderr: Readable
  /** Call when no writer is left: the outputs end once they are drained. */
  ended(): void
  close(): Promise<void>
}

/** Mount point of that folder inside. */
export const pipesInside = '/run/command'

/**
 * Shell script that starts a command on its pipes, after a watcher that kills everything once the server is gone: the
 * pipe `alive` ends when nobody holds it open for writing, and only the server does. The watcher is orphaned on
 * purpose, so that no command waits for it.
 */
export const pipeScript = [
  `( ( read -r _ < ${pipesInside}/alive; kill -9 -1 ) > /dev/null 2>&1 & ) < /dev/null`,
  `exec "$@" < ${pipesInside}/in > ${pipesInside}/out 2> ${pipesInside}/err`,
].join('\n')

/** Opens the pipes. The engines' own attached streams neither hold back a fast writer nor close a finished input. */
export const openContainerPipes = async (folder: string, stdin: string | undefined): Promise<ContainerPipes> => {
  const path = (name: string) => join(folder, name)
  const streams: Socket[] = []
  const writing: number[] = []
  const ended = () => {
    for (const descriptor of writing.splice(0)) closeSync(descriptor)
  }
  const close = async () => {
    ended()
    for (const stream of streams) stream.destroy()
    await rm(folder, { recursive: true, force: true })
  }
  /** Opens the reading end, and a writing end that keeps it open until the command starts to write. */
  const openPipe = (name: string): Socket => {
    const fd = openSync(path(name), constants.O_RDONLY | constants.O_NONBLOCK)
    const stream = new Socket({ fd, readable: true, writable: false })
    streams.push(stream)
    writing.push(openSync(path(name), constants.O_WRONLY))
    return stream
  }

  mkdirSync(folder, { mode: 0o755 })
  try {
    chmodSync(folder, 0o755) // independent of the umask
    await makeNamedPipes('622', [path('out'), path('err'), path('alive')])
    writeFileSync(path('in'), stdin ?? '', { mode: 0o444, flag: 'wx' })
    chmodSync(path('in'), 0o444)
    writing.push(openSync(path('alive'), constants.O_RDWR | constants.O_NONBLOCK))
    chmodSync(path('alive'), 0o444)
    return { folder, stdout: openPipe('out'), stderr: openPipe('err'), ended, close }
  } catch (error) {
    await close().catch(() => {}) // the sandbox's removal takes the rest
    throw error
  }
}
