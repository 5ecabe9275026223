import { useSyncExternalStore } from 'react'

const listeners = new Set<() => void>()
const askAgainMs = 2000
let isAway = false
let timer: ReturnType<typeof setTimeout> | undefined

const set = (away: boolean): void => {
  if (away === isAway) return
  isAway = away
  for (const tell of listeners) tell()
}

const ask = async (): Promise<void> => {
  const isThere = await fetch('/api/v1/health').then(
    (answer) => answer.ok,
    () => false,
  )
  timer = undefined
  if (isThere) set(false)
  else timer = setTimeout(ask, askAgainMs)
}

/** Notes that the server did not answer, and asks from then on whether it is back. */
export const noteSilence = (): void => {
  set(true)
  timer ??= setTimeout(ask, askAgainMs)
}

/** Notes that the server has answered. */
export const noteAnswer = (): void => {
  clearTimeout(timer)
  timer = undefined
  set(false)
}

/** Calls back whenever the server goes away or comes back. */
export const watchServerAway = (changed: (away: boolean) => void): (() => void) => {
  const tell = () => changed(isAway)
  listeners.add(tell)
  return () => listeners.delete(tell)
}

export const useServerAway = (): boolean => useSyncExternalStore(watchServerAway, () => isAway)
