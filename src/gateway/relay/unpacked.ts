import type { Transform } from 'node:stream'
import { AppError, messageOf } from '../../lib/errors.ts'
import { decodersFor } from '../../lib/net/body.ts'
import type { UpstreamAnswer } from '../ask/upstream.ts'

const badlyPacked = (from: string, cause: unknown): AppError =>
  new AppError('network_failed', `${from} sent an answer that cannot be unpacked: ${messageOf(cause)}`, { cause })

/** The answer with its bytes going through a decoder, at the pace of whoever reads them. */
const through = (answer: UpstreamAnswer, decoder: Transform, from: string): UpstreamAnswer => {
  const { 'content-encoding': _, 'content-length': __, ...headers } = answer.headers
  return {
    status: answer.status,
    headers,
    readTo(sink) {
      let isOver = false
      const end = (problem?: AppError) => {
        if (isOver) return
        isOver = true
        sink.end(problem)
      }
      decoder.on('data', (chunk: Buffer) => {
        if (!isOver) sink.data(chunk)
      })
      decoder.on('drain', () => answer.resume())
      decoder.on('end', () => end())
      decoder.on('error', (error) => {
        end(badlyPacked(from, error))
        answer.abort()
      })
      answer.readTo({
        data(chunk) {
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
  }
}

/** The same answer unpacked. Providers are asked not to pack theirs; some do all the same. Throws `upstream_failed`. */
export const unpacked = (answer: UpstreamAnswer, from: string): UpstreamAnswer =>
  decodersFor(answer.headers['content-encoding'] ?? '', from).reduce(
    (packed, decoder) => through(packed, decoder, from),
    answer,
  )
