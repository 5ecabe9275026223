/** Functions that close the open resources of a process, in reverse order. */
export interface Closers {
  /** Registers a function that closes what was just opened; it runs before those registered earlier. */
  add(close: () => unknown): void
  /**
   * Runs every function in turn, even after a failure. Then rejects with the first failure, if there was one. A second
   * call returns the same promise.
   */
  closeAll(): Promise<void>
}

/**
 * Makes an empty stack of close functions.
 *
 * @example
 * const closers = makeClosers()
 * const pools = openPools(url)
 * closers.add(() => pools.close())
 */
export const makeClosers = (): Closers => {
  const stack: (() => unknown)[] = []
  let closing: Promise<void> | undefined

  const run = async (): Promise<void> => {
    const failures: unknown[] = []
    for (let close = stack.pop(); close; close = stack.pop()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
  return {
    add: (close) => void stack.push(close),
    closeAll() {
      closing ??= run()
      return closing
    },
  }
}
