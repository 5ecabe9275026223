import type { WaitingLines } from './waiting-lines.ts'

/** Decides when waiting lines go to Postgres: a statement with many costs little more than one with a single line. */
interface Gathering {
  /** Resolves when the next statement is due. */
  gathered(): Promise<void>
  /** Notes that a line was added, or that somebody waits for one. */
  note(): void
  /** Nothing is gathered any more. */
  end(): void
}

/** Other processes see a call this much later. A reader of this process does not wait for it. */
const gatherMs = 20

export const makeGathering = (waiting: Pick<WaitingLines, 'areDue'>): Gathering => {
  let hasEnded = false
  let due: (() => void) | undefined

  const dueOrLate = (): Promise<void> =>
    new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        due = undefined
        resolve()
      }
      const timer = setTimeout(end, gatherMs)
      due = end
    })

  return {
    async gathered() {
      if (!hasEnded && !waiting.areDue) await dueOrLate()
      await new Promise((resolve) => setImmediate(resolve)) // calls that end in the same turn share the statement
    },
    note() {
      if (due && waiting.areDue) due()
    },
    end() {
      hasEnded = true
      due?.()
    },
  }
}
