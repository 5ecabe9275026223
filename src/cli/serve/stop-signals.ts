/**
 * One Ctrl-C under `npm start` arrives twice: the terminal signals the whole process group, and npm forwards its own
 * copy. A SIGINT within this time after the first belongs to the same key press.
 */
const sameKeyPressMs = 1_000

/** Resolves with the first SIGINT or SIGTERM. Calls `stopAtOnce` at a SIGINT more than a second later. */
export const firstStopSignal = (stopAtOnce: () => void): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let firstAt: number | undefined
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.on(name, () => {
        if (firstAt === undefined) {
          firstAt = performance.now()
          resolve(name)
        } else if (name === 'SIGINT' && performance.now() - firstAt > sameKeyPressMs) stopAtOnce()
      })
    }
  })
