import { createWriteStream, existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError, messageOf } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { unwritableFile } from '../input/file-problems.ts'
import { makeProgressLine } from './progress-line.ts'

const shownFromBytes = 4 * 1024 * 1024

interface SaveOptions {
  /** Target path; `-` is stdout. */
  path: string
  isForced: boolean
  signal: AbortSignal
}

/** Refuses an existing path unless overwriting is allowed. */
export const requireFree = ({ path, isForced }: Pick<SaveOptions, 'path' | 'isForced'>): void => {
  if (path === '-' || isForced || !existsSync(path)) return
  throw new AppError('invalid', `${path} already exists`, {
    hint: 'Name another file with -o, or overwrite it with --force.',
  })
}

/** Streams a response to a file, which appears complete or not at all; shows progress for big ones. */
export const saveResponse = async (response: Response, options: SaveOptions): Promise<void> => {
  const { path, signal } = options
  requireFree(options)
  const total = Number(response.headers.get('content-length'))
  let done = 0
  const counter = new PassThrough()
  counter.on('data', (chunk: Buffer) => (done += chunk.length))
  const line = total >= shownFromBytes ? makeProgressLine(() => `${byteSize(done)} of ${byteSize(total)}`) : undefined
  const body = Readable.fromWeb(response.body as never)
  const draft = `${path}.part-${process.pid}`
  try {
    if (path === '-') return await pipeline(body, counter, process.stdout, { end: false, signal })
    await pipeline(body, counter, createWriteStream(draft), { signal })
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {})
    if (signal.aborted) throw error
    const { code, syscall } = error as NodeJS.ErrnoException
    if (path === '-' && code === 'EPIPE') return // the reader, such as head, has closed the pipe
    throw syscall === undefined || path === '-'
      ? new AppError('network_failed', `The download stopped early: ${messageOf(error)}`, {
          hint: 'Run the command again.',
          cause: error,
        })
      : unwritableFile(path, error)
  } finally {
    line?.stop()
  }
}
