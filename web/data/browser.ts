import { useEffect, useSyncExternalStore } from 'react'
import { visibleDirections } from '../text/directions.ts'

/** Names the page in the tab of the browser: the most special first, since tabs are narrow. */
export const useTitle = (...parts: (string | undefined)[]): void => {
  const title = [...parts.filter((part) => part), 'Jetty'].join(' · ')
  useEffect(() => {
    document.title = visibleDirections(title)
  }, [title])
}

const watchVisible = (tell: () => void): (() => void) => {
  document.addEventListener('visibilitychange', tell)
  return () => document.removeEventListener('visibilitychange', tell)
}

/**
 * Whether somebody can see this tab. Streams close while nobody can: a browser opens six connections to a server over
 * HTTP/1.1, so the seventh tab that held one would get no answer at all.
 */
export const useVisible = (): boolean =>
  useSyncExternalStore(watchVisible, () => document.visibilityState === 'visible')

const narrowList = () => matchMedia('(max-width: 767px)')

const watchNarrow = (tell: () => void): (() => void) => {
  const list = narrowList()
  list.addEventListener('change', tell)
  return () => list.removeEventListener('change', tell)
}

/** Whether the window is too narrow for two columns, as on a phone. */
export const useNarrow = (): boolean => useSyncExternalStore(watchNarrow, () => narrowList().matches)
