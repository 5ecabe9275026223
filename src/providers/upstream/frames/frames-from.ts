import { toAppError } from '../../../lib/errors.ts'
import type { Frame, FrameStream } from './sse.ts'

/**
 * Turns an iterable into a stream of events and asks for each one after the previous one was taken. `maker` stops the
 * producer; when something else aborts it, the stream ends with that reason.
 */
export const framesFrom = (made: AsyncIterable<Frame>, maker: AbortController): FrameStream => {
  let isPaused = false
  let isStopped = false
  let goOn = () => {}
  const resume = () => {
    isPaused = false
    goOn()
  }
  maker.signal.addEventListener('abort', resume, { once: true })
  return {
    async readTo(sink) {
      try {
        for await (const frame of made) {
          if (isStopped) return
          sink.take([frame])
          if (isPaused) {
            await new Promise<void>((resolve) => {
              goOn = resolve
            })
          }
          if (isStopped) return
        }
        sink.end()
      } catch (error) {
        if (!isStopped) sink.end(toAppError(maker.signal.reason ?? error))
      }
    },
    pause: () => {
      isPaused = true
    },
    resume,
    abort: () => {
      isStopped = true
      maker.abort()
      resume()
    },
  }
}
