import { chmodSync, closeSync, constants, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { makeNamedPipes } from '../programs/command-pipes.ts'

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

/** Engines can hand streams over their own socket, but neither holds back a fast writer, nor closes what it has read. */
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
  /** The reading end for us, and a writing end that keeps it from ending before anybody has begun to write. */
  const openPipe = (name: string): Socket => {
    const fd = openSync(path(name), constants.O_RDONLY | constants.O_NONBLOCK)
    const stream = new Socket({ fd, readable: true, writable: false })
    streams.push(stream)
    writing.push(openSync(path(name), constants.O_WRONLY))
    return stream
  }

  mkdirSync(folder, { mode: 0o755 })
  try {
    chmodSync(folder, 0o755) // whatever the umask is
    await makeNamedPipes('622', [path('out'), path('err'), path('alive')])
    writeFileSync(path('in'), stdin ?? '', { mode: 0o444, flag: 'wx' })
    chmodSync(path('in'), 0o444)
    writing.push(openSync(path('alive'), constants.O_RDWR | constants.O_NONBLOCK))
    chmodSync(path('alive'), 0o444)
    return { folder, stdout: openPipe('out'), stderr: openPipe('err'), ended, close }
  } catch (error) {
    await close().catch(() => {}) // what is left of it goes with the sandbox
    throw error
  }
}
