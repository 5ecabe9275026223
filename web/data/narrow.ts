import { useSyncExternalStore } from 'react'

const narrowList = () => matchMedia('(max-width: 767px)')

const watch = (tell: () => void): (() => void) => {
  const list = narrowList()
  list.addEventListener('change', tell)
  return () => list.removeEventListener('change', tell)
}

/** Whether the window is too narrow for two columns, as on a phone. */
export const useNarrow = (): boolean => useSyncExternalStore(watch, () => narrowList().matches)
