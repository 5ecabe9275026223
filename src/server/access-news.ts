/** Passes on that a process may have changed keys, collections or tasks. */
export interface AccessNews {
  changed(): void
  onChange(hear: () => void): void
}

export const makeAccessNews = (): AccessNews => {
  const hearers: (() => void)[] = []
  return {
    changed() {
      for (const hear of hearers) hear()
    },
    onChange: (hear) => void hearers.push(hear),
  }
}
