import { AppError } from '../lib/errors.ts'

export interface Places {
  /** Resolves when there is room for one more, in the order of asking; rejects `cancelled` where the signal fires first. */
  take(signal: AbortSignal, onWait?: (ahead: number) => void): Promise<() => void>
  /** How many are taken. */
  readonly taken: number
}

/** Room for so many at once. Whoever has taken a place gives it back by the function that he got; a second time is nothing. */
export const makePlaces = (limit: number): Places => {
  const waiting: (() => void)[] = []
  let taken = 0
  const give = () => {
    let isGiven = false
    return () => {
      if (isGiven) return
      isGiven = true
      const next = waiting.shift()
      if (next) next()
      else taken--
    }
  }
  return {
    get taken() {
      return taken
    },
    async take(signal, onWait) {
      if (signal.aborted) throw cancelled()
      if (taken < limit) {
        taken++
        return give()
      }
      onWait?.(waiting.length)
      return new Promise((resolve, reject) => {
        const enter = () => {
          signal.removeEventListener('abort', leave)
          resolve(give())
        }
        const leave = () => {
          waiting.splice(waiting.indexOf(enter), 1)
          reject(cancelled())
        }
        waiting.push(enter)
        signal.addEventListener('abort', leave, { once: true })
      })
    },
  }
}

const cancelled = () => new AppError('cancelled', 'The run was asked to end while it waited for a place')
