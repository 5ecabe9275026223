/**
 * Passes on that a process may have changed keys, collections or tasks, and whether this one hears of further changes: not
 * while its connection that listens is lost.
 */
export interface AccessNews {
  changed(isListening: boolean): void
  onChange(hear: (isListening: boolean) => void): void
}

export const makeAccessNews = (): AccessNews => {
  const hearers: ((isListening: boolean) => void)[] = []
  return {
    changed(isListening) {
      for (const hear of hearers) hear(isListening)
    },
    onChange: (hear) => void hearers.push(hear),
  }
}
