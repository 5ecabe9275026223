import { useMemo, useSyncExternalStore } from 'react'

const listeners = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | undefined
let seen = Date.now()

const watch = (tell: () => void): (() => void) => {
  // Nobody has asked for a while: the time of then would be wrong.
  if (listeners.size === 0) seen = Date.now()
  listeners.add(tell)
  timer ??= setInterval(() => {
    if (document.visibilityState !== 'visible') return
    seen = Date.now()
    for (const one of listeners) one()
  }, 1000)
  return () => {
    listeners.delete(tell)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

/** The time in milliseconds, renewed once a second for all who ask, and never in a hidden tab. */
export const useNow = (): number => useSyncExternalStore(watch, () => seen)

/** The time as above, renewed with each change of `value` too: what has just arrived never lies in the future. */
export const useNowWith = (value: unknown): number => {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the value says when to look at the clock
  const changed = useMemo(() => Date.now(), [value])
  return Math.max(useNow(), changed)
}
