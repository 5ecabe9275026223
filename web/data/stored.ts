import { useSyncExternalStore } from 'react'

const prefix = 'jetty.'
const listeners = new Set<() => void>()

/** What this browser remembers under a name; undefined when nothing, or when it stores nothing at all. */
export const readStored = (name: string): string | undefined => {
  try {
    return localStorage.getItem(prefix + name) ?? undefined
  } catch {
    return undefined
  }
}

/** Tells all that follow what this browser remembers. */
export const tellStored = (): void => {
  for (const tell of listeners) tell()
}

/** Remembers a text in this browser, also for its other tabs; undefined forgets it. */
export const writeStored = (name: string, value: string | undefined): void => {
  try {
    if (value === undefined) localStorage.removeItem(prefix + name)
    else localStorage.setItem(prefix + name, value)
  } catch {
    // A browser that stores nothing remembers nothing; the page works without.
  }
  tellStored()
}

export const watchStored = (tell: () => void): (() => void) => {
  listeners.add(tell)
  window.addEventListener('storage', tell)
  return () => {
    listeners.delete(tell)
    window.removeEventListener('storage', tell)
  }
}

/** Follows what this browser remembers under a name. */
export const useStored = (name: string): string | undefined => useSyncExternalStore(watchStored, () => readStored(name))
