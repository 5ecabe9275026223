import { setImmediate as nextTurn } from 'node:timers/promises'

/** Maximum runs that have ended and are being written: a commit under way, and the next. Later records of the collection wait behind them. */
const mostWriting = 1_000
/** Runs that take no time at all would let nothing else of the process have a turn. */
const longestTurnMs = 5

/** Lets the rest of the process have its turn beside runs that are carried out here. */
interface Pace {
  /** Counts a run that has ended as long as it is being written. */
  written(writing: Promise<void>): Promise<void>
  /** Resolves when the next run may begin: others get their turn, and commits of the same collection theirs. */
  turn(): Promise<void>
}

export const makeChildrenPace = (): Pace => {
  let since = performance.now()
  let turn: Promise<void> | undefined
  let room: Promise<void> | undefined
  let makeRoom = () => {}
  let count = 0
  return {
    async written(writing) {
      count++
      await writing
      if (--count >= mostWriting) return
      room = undefined
      makeRoom()
    },
    async turn() {
      for (;;) {
        if (count >= mostWriting) {
          room ??= new Promise((resolve) => {
            makeRoom = resolve
          })
          await room
        } else if (performance.now() - since > longestTurnMs) {
          turn ??= nextTurn().then(() => {
            since = performance.now()
            turn = undefined
          })
          await turn
        } else return
      }
    },
  }
}
