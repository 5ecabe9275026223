import { type LimitedProcess, type ProcessLimits, runLimitedProcess } from '../../lib/processes/limited-process.ts'
import type { FromPreviewProcess, ToPreviewProcess } from './messages.ts'
import { type Preview, PreviewFailed, type PreviewSource, previewLimits } from './preview.ts'

type Answer = Exclude<FromPreviewProcess, { kind: 'read' | 'failed' }>

/** Lets a process read a file. Rejects with `PreviewFailed`, and with what reading the file throws. */
const run = <Result>(
  source: PreviewSource,
  limits: ProcessLimits,
  { first, receive }: { first: ToPreviewProcess; receive(answer: Answer, resolve: (result: Result) => void): void },
): Promise<Result> =>
  runLimitedProcess<ToPreviewProcess, FromPreviewProcess, Result>(
    { module: import.meta.url, program: 'preview-process', limits },
    {
      first,
      receive: (message, process) => {
        if (message.kind === 'read') void answer(process, source, message).catch(process.reject)
        else if (message.kind === 'failed') process.reject(new PreviewFailed(message.reason, message.message))
        else receive(message, process.resolve)
      },
      ended: (end, process) => {
        const { name } = source
        const messages = {
          timeout: `${name} cannot be read within ${limits.seconds} s`,
          memory: `${name} needs more than ${limits.memoryBytes} bytes of memory to be read`,
          killed: `Reading ${name} ended early: it probably needs too much memory`,
          crashed: `Reading ${name} ended early: it probably needs too much memory`,
        }
        process.reject(new PreviewFailed(end === 'timeout' ? end : 'memory', messages[end]))
      },
    },
  )

const answer = async <Result>(
  process: LimitedProcess<ToPreviewProcess, Result>,
  source: PreviewSource,
  { id, start, end }: Extract<FromPreviewProcess, { kind: 'read' }>,
): Promise<void> => {
  try {
    process.send({ kind: 'bytes', id, bytes: await source.read(start, end) })
  } catch (error) {
    process.send({ kind: 'unreadable', id })
    throw error
  }
}

/**
 * Shows the first rows of a file in a process of its own, which is killed when it takes too long or too much memory.
 * Throws `PreviewFailed`, and what reading the file throws.
 */
export const runPreview = (source: PreviewSource, limits: ProcessLimits): Promise<Preview> =>
  run<Preview>(source, limits, {
    first: { kind: 'preview', name: source.name, size: source.size, limits: previewLimits },
    receive: (message, resolve) => {
      if (message.kind === 'previewed') resolve(message.preview)
    },
  })

const unpackedBytes = 256 * 1024 * 1024

/** Reads all rows of a parquet file as JSON lines, in the same way. */
export const readParquetLines = (
  source: PreviewSource,
  limits: ProcessLimits & { characters: number },
): Promise<string[]> => {
  const texts: string[] = []
  const { characters } = limits
  return run<string[]>(source, limits, {
    first: { kind: 'lines', name: source.name, size: source.size, limits: { unpackedBytes, characters } },
    receive: (message, resolve) => {
      if (message.kind === 'text') texts.push(message.text)
      if (message.kind === 'ended') resolve(texts)
    },
  })
}
