/** Notifies watchers of a run when this process has written for it. */
interface RunWatchers {
  /** Returns the function that stops the watch. */
  watch(runKey: string, onChange: () => void): () => void
  changed(runKey: string): void
}

export const makeRunWatchers = (): RunWatchers => {
  const watchers = new Map<string, Set<() => void>>()
  return {
    changed(runKey) {
      for (const tell of watchers.get(runKey) ?? []) tell()
    },
    watch(runKey, onChange) {
      const set = watchers.get(runKey) ?? new Set()
      watchers.set(runKey, set.add(onChange))
      return () => {
        set.delete(onChange)
        if (set.size === 0) watchers.delete(runKey)
      }
    },
  }
}
