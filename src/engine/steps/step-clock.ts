/** Counts down the time limit of a step, but not while the step waits for the storage of files. */
export interface StepClock {
  /** Calls `onOver` after so many milliseconds; returns what ends it. */
  begin(milliseconds: number, onOver: () => void): () => void
  rest(): void
  goOn(): void
  /** Milliseconds until the limit is reached; infinite without one. */
  leftMs(): number
}

export const makeStepClock = (): StepClock => {
  let timer: NodeJS.Timeout | undefined
  let current: { leftMs: number; onOver: () => void } | undefined
  let sinceMs = 0
  let resting = false
  const run = () => {
    if (!current || resting) return
    sinceMs = performance.now()
    timer = setTimeout(current.onOver, current.leftMs)
  }
  const left = (leftMs: number) => Math.max(0, leftMs - (performance.now() - sinceMs))
  return {
    begin(leftMs, onOver) {
      clearTimeout(timer)
      const begun = { leftMs, onOver }
      current = begun
      run()
      return () => {
        if (current !== begun) return
        clearTimeout(timer)
        current = undefined
      }
    },
    rest() {
      if (resting) return
      resting = true
      clearTimeout(timer)
      if (current) current.leftMs = left(current.leftMs)
    },
    leftMs() {
      if (!current) return Number.POSITIVE_INFINITY
      return resting ? current.leftMs : left(current.leftMs)
    },
    goOn() {
      if (!resting) return
      resting = false
      run()
    },
  }
}
