import { type ComponentType, type LazyExoticComponent, lazy, useSyncExternalStore } from 'react'

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

/** Whether the server serves the pages now. */
export const isServed = async (): Promise<boolean> => {
  const request = { method: 'HEAD', headers: { accept: 'text/html' }, cache: 'no-store' } as const
  return (await fetch('/', request).catch(() => undefined))?.ok ?? false
}

/**
 * Loads a part of the pages. While the server is away it waits and tries again, and the current page stays. Rejects when the
 * server answers but no longer has the file, as after an upgrade.
 */
export const whenServed = async <Part>(load: () => Promise<Part>): Promise<Part> => {
  for (;;) {
    try {
      return await load()
    } catch (error) {
      if (await isServed()) throw error
    }
    noteSilence()
    await new Promise<void>((resolve) => {
      const stop = watchServerAway((away) => {
        if (away) return
        stop()
        resolve()
      })
    })
  }
}

/** A component whose code is loaded when it is first drawn; see `whenServed`. */
export const lazyPart = <Props>(
  load: () => Promise<{ default: ComponentType<Props> }>,
): LazyExoticComponent<ComponentType<Props>> => lazy(() => whenServed(load))
