/** A counting gate: at most `size` holders at once, first come first served. */
export interface Slots {
  /** Undefined when there is room at once; else the promise of a slot. */
  acquire(): Promise<void> | undefined
  release(): void
  readonly used: number
  readonly free: number
}

export const makeSlots = (size: number): Slots => {
  const waiting: (() => void)[] = []
  let used = 0
  return {
    acquire() {
      if (used < size) {
        used++
        return undefined
      }
      return new Promise((resolve) => waiting.push(resolve))
    },
    release() {
      const next = waiting.shift()
      if (next) next()
      else used--
    },
    get used() {
      return used
    },
    get free() {
      return size - used
    },
  }
}
