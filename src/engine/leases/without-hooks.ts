import asyncHooks from 'node:async_hooks'

/** The part of an AsyncLocalStorage that the engine library uses. */
interface StackStorage {
  getStore(): unknown
  run<Result>(store: unknown, callback: (...args: unknown[]) => Result, ...args: unknown[]): Result
}

/**
 * Makes a storage whose store holds until the callback returns, and not in what it continues asynchronously. A signal
 * holds on: the library's loop ends its retries by it.
 */
export const makeStackStorage = (): StackStorage => {
  let scope: { store: unknown } | undefined
  let signal: AbortSignal | undefined
  return {
    getStore: () => (scope ? scope.store : signal),
    run(store, callback, ...args) {
      const before = scope
      scope = { store }
      if (store instanceof AbortSignal) signal = store
      try {
        return callback(...args)
      } finally {
        scope = before
      }
    },
  }
}

function StackStorage(): StackStorage {
  return makeStackStorage()
}

/**
 * Lets modules be loaded with storages of the stack instead of AsyncLocalStorage. The first `run` of a real one makes Node 20
 * and 22 call hooks for every promise of the process: an eighth of the CPU of a gateway call. Nothing of ours reads the
 * library's contexts, and the library reads them before it first waits. Nothing else that is loaded at that time makes a
 * storage: a test of the built program says so.
 */
export const loadWithoutHooks = async (load: () => Promise<unknown>): Promise<void> => {
  const kept = Object.getOwnPropertyDescriptor(asyncHooks, 'AsyncLocalStorage') as PropertyDescriptor
  const value = { value: StackStorage, configurable: true, enumerable: true, writable: true }
  Object.defineProperty(asyncHooks, 'AsyncLocalStorage', value)
  try {
    await load()
  } finally {
    Object.defineProperty(asyncHooks, 'AsyncLocalStorage', kept)
  }
}
