import type { Transform } from 'node:stream'
import { AppError, messageOf } from '../../../lib/errors.ts'
import { decodersFor } from '../../../lib/net/body.ts'
import type { PushStream } from '../push-stream.ts'

const badEncoding = (from: string, cause: unknown): AppError =>
  new AppError('network_failed', `${from} sent an answer that cannot be decompressed: ${messageOf(cause)}`, { cause })

const through = (answer: PushStream<Buffer>, decoder: Transform, from: string): PushStream<Buffer> => ({
  readTo(sink) {
    let isOver = false
    const end = (problem?: AppError) => {
      if (isOver) return
      isOver = true
      sink.end(problem)
    }
    decoder.on('data', (chunk: Buffer) => {
      if (!isOver) sink.take(chunk)
    })
    decoder.on('drain', () => answer.resume())
    decoder.on('end', () => end())
    decoder.on('error', (error) => {
      end(badEncoding(from, error))
      answer.abort()
    })
    answer.readTo({
      take(chunk) {
        if (!isOver && !decoder.write(chunk)) answer.pause()
      },
      end(problem) {
        if (!problem) return void decoder.end()
        end(problem)
        decoder.destroy()
      },
    })
  },
  pause: () => void decoder.pause(),
  resume: () => void decoder.resume(),
  abort() {
    answer.abort()
    decoder.destroy()
  },
})

/** Decompresses an answer at the pace of its reader. Throws `upstream_failed` for an encoding that is not supported. */
export const decompressed = (answer: PushStream<Buffer>, contentEncoding: string, from: string): PushStream<Buffer> =>
  decodersFor(contentEncoding, from).reduce((packed, decoder) => through(packed, decoder, from), answer)
