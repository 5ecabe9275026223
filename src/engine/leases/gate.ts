/** Lets at most `size` runs of a lease execute at once; the others wait here, in the order in which they came. */
export interface Gate {
  /**
   * Waits until a permit is free, or the run may pass without one. Resolves with the function that releases the permit.
   */
  enter(runKey: string): Promise<() => void>
  /** Lets one waiting run pass, or all of them, because they only have to end. */
  pass(runKey?: string): void
  readonly waiting: number
}

export const makeGate = (size: number): Gate => {
  const waiting = new Map<string, (hasPermit: boolean) => void>()
  let used = 0

  const free = () => {
    const [next] = waiting
    if (!next) {
      used--
      return
    }
    waiting.delete(next[0])
    next[1](true)
  }

  /** Returns the permit once, however often it is called. */
  const permit = (): (() => void) => {
    let held = true
    return () => {
      if (held) free()
      held = false
    }
  }

  return {
    async enter(runKey) {
      if (used < size) {
        used++
        return permit()
      }
      const hasPermit = await new Promise<boolean>((resolve) => waiting.set(runKey, resolve))
      return hasPermit ? permit() : () => {}
    },
    pass(runKey) {
      for (const key of runKey === undefined ? [...waiting.keys()] : [runKey]) {
        const letIn = waiting.get(key)
        waiting.delete(key)
        letIn?.(false)
      }
    },
    get waiting() {
      return waiting.size
    },
  }
}
