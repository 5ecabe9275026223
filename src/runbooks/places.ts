import { AppError } from '../lib/errors.ts'

export interface Places {
  /**
   * Waits for the owner's turn; resolves with a function that releases the slot. Rejects with `cancelled` when the
   * signal fires first. `onWait` receives a sentence that says what it waits for.
   */
  take(owner: string, signal: AbortSignal, onWait?: (why: string) => void): Promise<() => void>
  /** Number of slots in use. */
  readonly taken: number
}

interface PlaceLimits {
  /** Number of slots in total. */
  total: number
  /** Maximum slots of one owner. */
  share: number
}

interface Waiting {
  owner: string
  enter(): void
}

/**
 * Limits concurrent runbooks, shared fairly between owners (collections). A free slot goes to the owner that has the
 * fewest, and among those to the one that has waited longest; an owner's own runbooks enter in order.
 */
export const makePlaces = ({ total, share }: PlaceLimits): Places => {
  const waiting: Waiting[] = []
  const held = new Map<string, number>()
  let taken = 0
  const heldBy = (owner: string): number => held.get(owner) ?? 0

  const give = (owner: string): (() => void) => {
    taken++
    held.set(owner, heldBy(owner) + 1)
    let isGivenBack = false
    return () => {
      if (isGivenBack) return
      isGivenBack = true
      taken--
      if (heldBy(owner) > 1) held.set(owner, heldBy(owner) - 1)
      else held.delete(owner)
      letIn()
    }
  }
  const letIn = (): void => {
    const ready = waiting.filter(({ owner }) => heldBy(owner) < share)
    const [first, ...others] = ready
    if (taken >= total || first === undefined) return
    const next = others.reduce((best, one) => (heldBy(one.owner) < heldBy(best.owner) ? one : best), first)
    waiting.splice(waiting.indexOf(next), 1)
    next.enter()
  }
  const why = (owner: string): string => {
    const own = waiting.filter((one) => one.owner === owner).length
    const before = own === 0 ? '' : `; ${own} more of this collection wait before it`
    return taken >= total
      ? `All sandboxes are in use (${total})${before}`
      : `All sandboxes that this collection may use at once are in use (${share})${before}`
  }

  return {
    get taken() {
      return taken
    },
    async take(owner, signal, onWait) {
      if (signal.aborted) throw cancelled()
      if (taken < total && heldBy(owner) < share) return give(owner)
      onWait?.(why(owner))
      return new Promise((resolve, reject) => {
        const one: Waiting = {
          owner,
          enter() {
            signal.removeEventListener('abort', leave)
            resolve(give(owner))
          },
        }
        const leave = () => {
          waiting.splice(waiting.indexOf(one), 1)
          reject(cancelled())
        }
        waiting.push(one)
        signal.addEventListener('abort', leave, { once: true })
      })
    },
  }
}

const cancelled = () => new AppError('cancelled', 'The run was cancelled while it waited for a sandbox')
