import type { Owner } from '../../lib/fair-queue.ts'
import { smallShareBytes } from '../../lib/memory/byte-budget.ts'
import { makeSlots, withSlot } from '../../lib/slots.ts'

/** Runs `work`, which moves that many bytes to or from the database. Small values do not wait; payers take turns. */
export type Transfer = <Result>(
  owner: Owner,
  bytes: number,
  work: () => Promise<Result> | Result,
) => Promise<Result> | Result

/** Large values in transit at the same time: other queries find a free connection. */
const transfersAtOnce = 3

export const makeTransfers = (): Transfer => {
  const slots = makeSlots({ total: transfersAtOnce })
  return (owner, bytes, work) => (bytes <= smallShareBytes ? work() : withSlot(slots, owner, work))
}
