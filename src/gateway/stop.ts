/**
 * Tells those who work on a call that nobody waits for it any more. An AbortSignal with a listener costs a call as much as
 * all of its routing, so one is made only where somebody asks for it.
 */
export interface Stop {
  readonly isStopped: boolean
  readonly signal: AbortSignal
  stop(): void
  /** Calls back once it stops; gives the function that takes it back. Stopped already, it calls at once. */
  onStop(callback: () => void): () => void
}

export const makeStop = (): Stop => {
  const callbacks = new Set<() => void>()
  let isStopped = false
  let control: AbortController | undefined
  return {
    get isStopped() {
      return isStopped
    },
    get signal() {
      control ??= new AbortController()
      if (isStopped) control.abort()
      return control.signal
    },
    stop() {
      if (isStopped) return
      isStopped = true
      control?.abort()
      for (const callback of callbacks) callback()
      callbacks.clear()
    },
    onStop(callback) {
      if (isStopped) callback()
      else callbacks.add(callback)
      return () => void callbacks.delete(callback)
    },
  }
}
