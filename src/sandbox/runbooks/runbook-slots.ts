import { AppError } from '../../lib/errors.ts'
import type { Owner } from '../../lib/fair-queue.ts'
import { makeSlots } from '../../lib/slots.ts'

export interface RunbookSlots {
  /**
   * Waits for the owner's turn; resolves with a function that releases the place, once. Rejects with `cancelled` when the
   * signal fires first. `onWait` receives a sentence that says what it waits for.
   */
  take(owner: Owner, signal: AbortSignal, onWait?: (why: string) => void): Promise<() => void>
  /** Number of places in use. */
  readonly taken: number
}

/** Limits concurrent runbooks or scripts, in total and for each payer: see `Slots`. */
export const makeRunbookSlots = ({ total, share }: { total: number; share: number }): RunbookSlots => {
  const slots = makeSlots({ total, share })
  const why = ({ payer }: Owner): string => {
    const own = slots.waitingOf(payer)
    const before = own === 0 ? '' : `; ${own} more of this collection wait before it`
    return slots.used >= total
      ? `All sandboxes are in use (${total})${before}`
      : `All sandboxes that this collection may use at once are in use (${share})${before}`
  }
  return {
    get taken() {
      return slots.used
    },
    async take(owner, signal, onWait) {
      if (signal.aborted) throw cancelled()
      if (!slots.isFree(owner)) onWait?.(why(owner))
      await slots.acquire(owner, signal)?.catch(() => {
        throw cancelled()
      })
      let isHeld = true
      return () => {
        if (isHeld) slots.release(owner)
        isHeld = false
      }
    },
  }
}

const cancelled = () => new AppError('cancelled', 'The run was cancelled while it waited for a sandbox')
