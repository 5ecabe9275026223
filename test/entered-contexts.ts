import { AsyncLocalStorage } from 'node:async_hooks'

const entered = new Set<AsyncLocalStorage<unknown>>()

const { run } = AsyncLocalStorage.prototype
AsyncLocalStorage.prototype.run = function (this: AsyncLocalStorage<unknown>, ...given: Parameters<typeof run>) {
  entered.add(this)
  return run.apply(this, given)
} as typeof run

/** Leaves all contexts that something has entered in this worker. */
export const leaveContexts = (): void => {
  for (const storage of entered) storage.disable()
  entered.clear()
}
