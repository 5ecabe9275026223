import { useSyncExternalStore } from 'react'
import { readStored, tellStored, watchStored, writeStored } from './stored.ts'

/**
 * A session has two halves. The browser keeps one in a cookie that no script can read, and this file keeps the other,
 * which goes with each request as `X-Jetty-Session`. Neither opens the API alone.
 */
const storedName = 'session'

/** `none`: nobody has signed in. `ended`: the server refused the session, and the page stands as it was. */
type SessionState = 'none' | 'open' | 'ended'

let refused: string | undefined

/** The half of the session that scripts send. */
export const sessionHalf = (): string | undefined => readStored(storedName)

export const beginSession = (half: string): void => {
  refused = undefined
  writeStored(storedName, half)
}

export const forgetSession = (): void => {
  refused = undefined
  writeStored(storedName, undefined)
}

/** Notes that the server refused a session, unless another tab has signed in meanwhile. */
export const noteRefused = (half: string | undefined): void => {
  if (half === undefined || half !== sessionHalf()) return
  refused = half
  tellStored()
}

export const sessionState = (): SessionState => {
  const half = sessionHalf()
  if (half === undefined) return 'none'
  return half === refused ? 'ended' : 'open'
}

export const useSessionState = (): SessionState => useSyncExternalStore(watchStored, sessionState)
