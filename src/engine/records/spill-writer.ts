import { type FileHandle, open, stat } from 'node:fs/promises'

/** Appends lines to files of this process. A line is durable once `append` resolves. */
interface SpillWriter {
  append(line: Buffer): Promise<void>
  /** Bytes that wait for the disk. */
  readonly waitingBytes: number
  /** Path of the current file. */
  readonly path: string | undefined
  /** Resolves when every line is written and the current file is closed; the next line opens another one. */
  finish(): Promise<void>
}

interface Waiting {
  line: Buffer
  resolve: () => void
  reject: (reason: unknown) => void
}

interface OpenFile {
  path: string
  handle: FileHandle
}

interface WriterOptions {
  folder: string
  /** Makes the path of the next file. */
  nextPath(): string
  /** Sizes of the files of this process, by path. */
  sizes: Map<string, number>
}

/** Creates a file whose name survives a crash of the machine. */
const createFile = async (folder: string, path: string): Promise<OpenFile> => {
  const handle = await open(path, 'ax', 0o600)
  const directory = await open(folder, 'r')
  await directory.sync().finally(() => directory.close())
  return { path, handle }
}

export const makeSpillWriter = ({ folder, nextPath, sizes }: WriterOptions): SpillWriter => {
  const queue: Waiting[] = []
  let waitingBytes = 0
  let current: OpenFile | undefined
  let writing: Promise<void> | undefined

  const openNext = async (): Promise<OpenFile> => {
    const file = await createFile(folder, nextPath())
    sizes.set(file.path, 0)
    return file
  }

  const closeFile = async (): Promise<void> => {
    const file = current
    current = undefined
    await file?.handle.close()
  }

  const write = async (bytes: Buffer): Promise<void> => {
    for (;;) {
      current ??= await openNext()
      const { path, handle } = current
      const before = sizes.get(path) ?? 0
      await appendWhole(handle, bytes, before)
      if (await isThere(path)) {
        sizes.set(path, before + bytes.length)
        return
      }
      await closeFile() // a reader took the file, and may have read to its end before our bytes were in it
    }
  }

  const drain = async (): Promise<void> => {
    await null // lines of the same tick share the first write
    while (queue.length > 0) {
      const batch = queue.splice(0)
      try {
        await write(Buffer.concat(batch.map(({ line }) => line)))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        await closeFile().catch(() => {})
        for (const { reject } of batch) reject(error)
      }
      for (const { line } of batch) waitingBytes -= line.length
    }
    writing = undefined
  }

  return {
    get path() {
      return current?.path
    },
    get waitingBytes() {
      return waitingBytes
    },
    append(line) {
      waitingBytes += line.length
      return new Promise((resolve, reject) => {
        queue.push({ line, resolve, reject })
        writing ??= drain()
      })
    },
    async finish() {
      while (writing) await writing
      await closeFile()
    },
  }
}

/** Writes everything or nothing: a line reported as failed must not be found later. */
const appendWhole = async (handle: FileHandle, bytes: Buffer, before: number): Promise<void> => {
  try {
    await handle.appendFile(bytes)
    await handle.datasync()
  } catch (error) {
    await handle.truncate(before).catch(() => {}) // then its last line is truncated, which readers detect
    throw error
  }
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
