import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FileSource } from '../../model/file-source.ts'

/** Everything an agent has printed, in an unlinked file: it vanishes with the process, however that ends. */
export interface AgentLog {
  /** Resolves when the text is written, which slows down a fast writer. */
  write(text: string): Promise<void>
  readonly size: number
  /** The complete log as a file; call it after the last write. */
  source(name: string): FileSource
  close(): Promise<void>
}

export const openAgentLog = async (folder = tmpdir()): Promise<AgentLog> => {
  const own = await mkdtemp(join(folder, 'jetty-log-'))
  const file = await open(join(own, 'log'), 'ax+', 0o600).finally(async () => {
    // The open descriptor keeps the unlinked file.
    await rm(own, { recursive: true, force: true })
  })
  let size = 0
  let writing: Promise<unknown> = Promise.resolve()
  return {
    get size() {
      return size
    },
    async write(text) {
      const bytes = Buffer.from(text)
      writing = writing.then(() => file.appendFile(bytes))
      await writing
      size += bytes.length
    },
    source: (name) => ({
      name,
      content_type: 'text/plain; charset=utf-8',
      size,
      open: () => read(file, size),
    }),
    close: () => file.close(),
  }
}

const chunkBytes = 256 * 1024

async function* read(file: Awaited<ReturnType<typeof open>>, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(chunkBytes, size - at)), 0, undefined, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}
