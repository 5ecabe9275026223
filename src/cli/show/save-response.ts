import { createWriteStream, existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError, messageOf } from '../../lib/errors.ts'
import { byteSize } from '../../lib/settings/byte-size.ts'
import { unwritable } from '../input/file-problems.ts'
import { makeProgressLine } from './progress-line.ts'

const shownFromBytes = 4 * 1024 * 1024

export interface SaveOptions {
  /** `-` is stdout. */
  path: string
  isForced: boolean
  signal: AbortSignal
}

/** Refuses a path where something is already, unless it may be written over. */
export const requireFree = ({ path, isForced }: Pick<SaveOptions, 'path' | 'isForced'>): void => {
  if (path === '-' || isForced || !existsSync(path)) return
  throw new AppError('invalid', `${path} is there already`, {
    hint: 'Name another file with -o, or write over it with --force.',
  })
}

/** Streams the body of an answer to a file, which is there whole or not at all; big ones show how far they are. */
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
    if (path === '-' && code === 'EPIPE') return // whoever reads has seen enough, such as head
    throw syscall === undefined || path === '-'
      ? new AppError('network_failed', `The download broke off: ${messageOf(error)}`, { cause: error })
      : unwritable(path, error)
  } finally {
    line?.stop()
  }
}
