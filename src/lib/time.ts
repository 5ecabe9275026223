/** Timestamps on the wire: ISO-8601 UTC with microseconds, always 27 characters, so that they sort as text. */
export const timestamp = (date: Date): string => date.toISOString().replace('Z', '000Z')

export const timestampOrNull = (date: Date | null | undefined): string | null => (date ? timestamp(date) : null)

let clock: () => number = Date.now

/**
 * The time in whole milliseconds since 1970, for all that is recorded or due. In a server that is the time of the
 * database, whatever the clock of its machine says.
 */
export const now = (): number => clock()

/** Takes the time from somewhere else from now on; a process has one clock. */
export const setClock = (read: () => number): void => {
  clock = read
}

/** Longer than this a timer does not run: it fires at once. */
export const longestTimerMs = 2 ** 31 - 1

/** Waits, unless the signal fires first; either way it resolves, and says whether the whole time passed. */
export const pause = (milliseconds: number, signal?: AbortSignal): Promise<boolean> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve(false)
    const stop = () => {
      clearTimeout(timer)
      resolve(false)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve(true)
    }, milliseconds)
    signal?.addEventListener('abort', stop, { once: true })
  })

const pieceMs = 250

/**
 * Calls back after so many milliseconds in which this process was awake; gives the function that takes it back. After a
 * standstill timers are served before what has come in the meantime: so it waits in pieces, of which a standstill takes
 * one, and lets in what has come before it calls.
 */
export const afterAwake = (milliseconds: number, done: () => void): (() => void) => {
  let left = milliseconds
  let last: NodeJS.Immediate | undefined
  const wait = () => setTimeout(look, Math.min(pieceMs, left))
  const look = () => {
    left -= pieceMs
    if (left > 0) timer = wait()
    else last = setImmediate(done)
  }
  let timer = wait()
  return () => {
    clearTimeout(timer)
    clearImmediate(last)
  }
}
