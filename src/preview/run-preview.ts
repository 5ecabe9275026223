import { type ChildProcess, fork } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { FromPreviewProcess, ToPreviewProcess } from './messages.ts'
import { type Preview, PreviewFailed, type PreviewSource, previewLimits } from './preview.ts'

/** What the process of a preview may use. */
export interface ProcessLimits {
  seconds: number
  memoryBytes: number
}

const isSource = import.meta.url.endsWith('.ts')
const program = fileURLToPath(new URL(`./preview-process.${isSource ? 'ts' : 'js'}`, import.meta.url))
const memoryCheckMs = 50

/** Starts the process: with an empty environment, since it reads files that strangers have sent. */
const start = (memoryBytes: number): ChildProcess =>
  fork(program, {
    execArgv: [`--max-old-space-size=${Math.ceil(memoryBytes / 2 ** 20)}`, ...(isSource ? ['--import', 'tsx'] : [])],
    env: {},
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })

/** The memory of a process, where the system tells it: Linux. Elsewhere only the heap of JavaScript is limited. */
const residentBytes = async (pid: number): Promise<number> => {
  const text = await readFile(`/proc/${pid}/statm`, 'latin1').catch(() => '')
  return Number(text.split(' ')[1] ?? 0) * 4096
}

/**
 * Shows the first rows of a file in a process of its own, which is killed when it takes too long or too much memory.
 * Throws `PreviewFailed`, and what reading the file throws.
 */
export const runPreview = (source: PreviewSource, { seconds, memoryBytes }: ProcessLimits): Promise<Preview> => {
  const child = start(memoryBytes)
  return new Promise<Preview>((resolve, reject) => {
    const fail = (reason: PreviewFailed['reason'], message: string) => reject(new PreviewFailed(reason, message))
    const timer = setTimeout(
      () => fail('timeout', `${source.name} cannot be shown within ${seconds} s`),
      seconds * 1000,
    )
    const watch = setInterval(async () => {
      const used = await residentBytes(child.pid ?? 0)
      if (used > memoryBytes)
        fail('memory', `${source.name} needs more than ${memoryBytes} bytes of memory to be shown`)
    }, memoryCheckMs)
    child.on('error', reject)
    child.on('exit', () =>
      fail('memory', `The preview of ${source.name} ended early: it probably needs too much memory`),
    )
    child.on('message', (message: FromPreviewProcess) => {
      if (message.kind === 'done') resolve(message.preview)
      else if (message.kind === 'failed') fail(message.reason, message.message)
      else void answer(child, source, message).catch(reject)
    })
    child.once('close', () => {
      clearTimeout(timer)
      clearInterval(watch)
    })
    tell(child, { kind: 'start', name: source.name, size: source.size, limits: previewLimits })
  }).finally(() => child.kill('SIGKILL'))
}

const tell = (child: ChildProcess, message: ToPreviewProcess): void => {
  if (child.connected) child.send(message)
}

const answer = async (
  child: ChildProcess,
  source: PreviewSource,
  { id, start: from, end }: Extract<FromPreviewProcess, { kind: 'read' }>,
): Promise<void> => {
  try {
    tell(child, { kind: 'bytes', id, bytes: await source.read(from, end) })
  } catch (error) {
    tell(child, { kind: 'unreadable', id })
    throw error
  }
}
