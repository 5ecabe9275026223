import { smallShareBytes } from '../../lib/memory/owner-caps.ts'
import { makeTurns } from '../../lib/turns.ts'

/** Runs `work`, which moves that many bytes to or from the database. Small values do not wait for their turn. */
export type Transfer = <Result>(bytes: number, work: () => Promise<Result> | Result) => Promise<Result> | Result

/** Large values in transit at the same time: other queries find a free connection. */
const transfersAtOnce = 3

export const makeTransfers = (): Transfer => {
  const inTurn = makeTurns(transfersAtOnce)
  return (bytes, work) => (bytes <= smallShareBytes ? work() : inTurn(async () => work()))
}
