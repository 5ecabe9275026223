/** Formats a time for the API: ISO 8601 in UTC with microseconds, always 27 characters, so that times sort as text. */
export const timestamp = (date: Date): string => date.toISOString().replace('Z', '000Z')

export const timestampOrNull = (date: Date | null | undefined): string | null => (date ? timestamp(date) : null)

let clock: () => number = Date.now

/**
 * Current time in whole milliseconds since 1970, for everything recorded or due. In a server this is the database's
 * time, whatever the host's clock says.
 */
export const now = (): number => clock()

/** Replaces the clock of this process. */
export const setClock = (read: () => number): void => {
  clock = read
}

/** Maximum delay of a timer; with a longer one Node fires at once. */
export const longestTimerMs = 2 ** 31 - 1

/** Waits unless the signal fires first; resolves either way, with whether the whole time passed. */
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
