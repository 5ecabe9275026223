/** Wakes the one who waits for news; rung while nobody waits, it is heard at the next wait. */
export interface Bell {
  ring(): void
  /** What has rung so far is known. */
  hush(): void
  /** Resolves when it rings or has rung, and when the signal fires. */
  heard(): Promise<void>
}

export const makeBell = (signal: AbortSignal): Bell => {
  let rung = false
  let wake = () => {}
  const ring = () => {
    rung = true
    wake()
  }
  signal.addEventListener('abort', ring, { once: true })
  return {
    ring,
    hush() {
      rung = signal.aborted
    },
    heard: () =>
      rung
        ? Promise.resolve()
        : new Promise((resolve) => {
            wake = resolve
          }),
  }
}
