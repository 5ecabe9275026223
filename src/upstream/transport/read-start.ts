import type { AppError } from '../../lib/errors.ts'
import type { PushSource, Sink } from '../source.ts'

/** The first bytes of an answer, and a source of the others if there are more. */
export interface AnswerStart {
  chunks: Buffer[]
  /** Undefined: the chunks are the whole answer. */
  rest: PushSource<Buffer> | undefined
}

/** Reads an answer to its end, or slightly past `mostBytes`. Rejects if it breaks off before that. */
export const readStart = (answer: PushSource<Buffer>, mostBytes: number): Promise<AnswerStart> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    let sink: Sink<Buffer> | undefined
    const later: Buffer[] = []
    let ended: { problem: AppError | undefined } | undefined
    const readTo = (taker: Sink<Buffer>) => {
      sink = taker
      for (const chunk of later.splice(0)) taker.take(chunk)
      if (ended) taker.end(ended.problem)
      else answer.resume()
    }
    answer.readTo({
      take(chunk) {
        if (sink) return sink.take(chunk)
        if (size > mostBytes) return void later.push(chunk)
        chunks.push(chunk)
        size += chunk.length
        if (size <= mostBytes) return
        answer.pause()
        resolve({ chunks, rest: { ...answer, readTo } })
      },
      end(problem) {
        if (sink) return sink.end(problem)
        ended = { problem }
        if (problem) reject(problem)
        else resolve({ chunks, rest: undefined })
      },
    })
  })
