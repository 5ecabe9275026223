import { useSyncExternalStore } from 'react'
import { readStored, writeStored } from './stored.ts'

/**
 * A session has two halves. The browser keeps one in a cookie that no script can read, and this file keeps the other,
 * which goes with each request as `X-Jetty-Session`. Neither opens the API alone.
 */
const storedName = 'session'

/** `none`: nobody has signed in. `ended`: the server refused the session, and the page stands as it was. */
type SessionState = 'none' | 'open' | 'ended'

const listeners = new Set<() => void>()
let refused: string | undefined

const tell = (): void => {
  for (const one of listeners) one()
}

/** The half of the session that scripts send. */
export const sessionHalf = (): string | undefined => readStored(storedName)

export const beginSession = (half: string): void => {
  refused = undefined
  writeStored(storedName, half)
  tell()
}

export const forgetSession = (): void => {
  refused = undefined
  writeStored(storedName, undefined)
  tell()
}

/** Notes that the server refused a session, unless another tab has signed in meanwhile. */
export const noteRefused = (half: string | undefined): void => {
  if (half === undefined || half !== sessionHalf()) return
  refused = half
  tell()
}

export const sessionState = (): SessionState => {
  const half = sessionHalf()
  if (half === undefined) return 'none'
  return half === refused ? 'ended' : 'open'
}

const watch = (changed: () => void): (() => void) => {
  listeners.add(changed)
  window.addEventListener('storage', changed)
  return () => {
    listeners.delete(changed)
    window.removeEventListener('storage', changed)
  }
}

export const useSessionState = (): SessionState => useSyncExternalStore(watch, sessionState)
