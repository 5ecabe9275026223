import type { Owner } from '../../lib/fair-queue.ts'
import { makeSlots } from '../../lib/slots.ts'

/**
 * A run in whose company the process died twice at the same step is suspected to be the cause. Suspects start few at
 * a time, later alone, and say so first (their start row is on disk before they begin): the next death then counts
 * for those only that had begun. Each also waits for room in memory for the most that it may put out (`suspectMemory`), so
 * that runs which killed the process by their size come alone.
 */
export const suspectedFrom = 2
const aloneFrom = 5
/** Deaths at one step after which a run fails for good. */
export const deathsToFail = 10

export interface SuspectGates {
  /** Waits for a suspect's turn. Returns the function that ends the turn, which may be called twice. */
  enter(owner: Owner, deaths: number): Promise<() => void>
}

export const makeSuspectGates = (): SuspectGates => {
  const few = makeSlots({ total: 8 })
  const alone = makeSlots({ total: 1 })
  return {
    async enter(owner, deaths) {
      const gate = deaths >= aloneFrom ? alone : few
      await gate.acquire(owner)
      let inside = true
      return () => {
        if (inside) gate.release(owner)
        inside = false
      }
    },
  }
}
