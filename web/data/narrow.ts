import { useSyncExternalStore } from 'react'

const list = matchMedia('(max-width: 767px)')

const watch = (tell: () => void): (() => void) => {
  list.addEventListener('change', tell)
  return () => list.removeEventListener('change', tell)
}

/** Whether the window is too narrow for two columns, as on a phone. */
export const useNarrow = (): boolean => useSyncExternalStore(watch, () => list.matches)
