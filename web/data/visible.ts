import { useSyncExternalStore } from 'react'

const watch = (tell: () => void): (() => void) => {
  document.addEventListener('visibilitychange', tell)
  return () => document.removeEventListener('visibilitychange', tell)
}

/**
 * Whether somebody can see this tab. Streams close while nobody can: a browser opens six connections to a server over
 * HTTP/1.1, so the seventh tab that held one would get no answer at all.
 */
export const useVisible = (): boolean => useSyncExternalStore(watch, () => document.visibilityState === 'visible')
