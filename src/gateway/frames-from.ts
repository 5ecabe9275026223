import { toAppError } from '../lib/errors.ts'
import type { Frame, FrameSource } from './frames.ts'

export type { Frame, FrameSource } from './frames.ts'

/** The events that an iterable makes, as a stream of them; each is asked for when the one before was taken. */
export const framesFrom = (made: AsyncIterable<Frame>, stop: () => void): FrameSource => {
  let isPaused = false
  let isStopped = false
  let goOn = () => {}
  const resume = () => {
    isPaused = false
    goOn()
  }
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
        if (!isStopped) sink.end(toAppError(error))
      }
    },
    pause: () => {
      isPaused = true
    },
    resume,
    abort: () => {
      isStopped = true
      stop()
      resume()
    },
  }
}
