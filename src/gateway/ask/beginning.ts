import type { AppError } from '../../lib/errors.ts'
import type { UpstreamAnswer } from './upstream.ts'

type Rest = Pick<UpstreamAnswer, 'readTo' | 'resume' | 'pause' | 'abort'>

/** The beginning of an answer, and the rest where there is one. */
export interface Beginning {
  chunks: Buffer[]
  /** Undefined: the chunks are all of it. */
  rest: Rest | undefined
}

/** An answer that goes on. */
export interface LargeAnswer {
  chunks: Buffer[]
  rest: Rest
}

/** Reads an answer up to its end, or a little more than `mostBytes`. Rejects where it breaks off before. */
export const readBeginning = (answer: UpstreamAnswer, mostBytes: number): Promise<Beginning> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    let sink: Parameters<UpstreamAnswer['readTo']>[0] | undefined
    const later: Buffer[] = []
    let ended: { problem: AppError | undefined } | undefined
    const readTo: UpstreamAnswer['readTo'] = (taker) => {
      sink = taker
      for (const chunk of later.splice(0)) taker.data(chunk)
      if (ended) taker.end(ended.problem)
      else answer.resume()
    }
    answer.readTo({
      data(chunk) {
        if (sink) return sink.data(chunk)
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
