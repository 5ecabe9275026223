import { toAppError } from '../../lib/errors.ts'
import type { Frame, FrameSource } from './frames.ts'

/**
 * The events that an iterable makes, as a stream of them; each is asked for when the one before was taken. `maker` stops
 * whoever makes them: somebody else may do so for a reason, which the stream ends with then.
 */
export const framesFrom = (made: AsyncIterable<Frame>, maker: AbortController): FrameSource => {
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
          sink.frames([frame])
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
