import type { FromPreviewProcess, ToPreviewProcess } from './messages.ts'
import { parquetLines } from './parquet-lines.ts'
import { PreviewFailed } from './preview.ts'
import { previewFile } from './preview-file.ts'

const maxReadBytes = 64 * 1024 * 1024
const maxTotalBytes = 256 * 1024 * 1024

const send = (message: FromPreviewProcess): void => void process.send?.(message)

const waiting = new Map<number, { resolve: (bytes: Uint8Array) => void; reject: (error: Error) => void }>()
let reads = 0
let total = 0

/** Asks the server for a range of the file. */
const read = (start: number, end: number): Promise<Uint8Array> => {
  total += Math.max(0, end - start)
  if (end - start > maxReadBytes || total > maxTotalBytes) {
    throw new PreviewFailed('too_large', `A preview reads at most ${maxTotalBytes} bytes of a file`)
  }
  if (start < 0 || end < start) throw new PreviewFailed('invalid', 'The file refers to bytes outside of itself')
  const id = ++reads
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject })
    send({ kind: 'read', id, start, end })
  })
}

type Order = Extract<ToPreviewProcess, { kind: 'preview' | 'lines' }>

const carryOut = async (order: Order): Promise<void> => {
  const source = { name: order.name, size: order.size, read }
  if (order.kind === 'preview') {
    send({ kind: 'previewed', preview: await previewFile(source, order.limits) })
    return
  }
  for await (const text of parquetLines(source, order.limits)) send({ kind: 'text', text })
  send({ kind: 'ended' })
}

const run = async (order: Order): Promise<void> => {
  try {
    await carryOut(order)
  } catch (error) {
    const reason = error instanceof PreviewFailed ? error.reason : 'invalid'
    send({ kind: 'failed', reason, message: error instanceof Error ? error.message : String(error) })
  }
}

process.on('message', (message: ToPreviewProcess) => {
  if (message.kind === 'preview' || message.kind === 'lines') {
    void run(message)
    return
  }
  const read = waiting.get(message.id)
  waiting.delete(message.id)
  if (message.kind === 'bytes') read?.resolve(message.bytes)
  else read?.reject(new PreviewFailed('invalid', 'The file could not be read'))
})
process.on('disconnect', () => process.exit())
