/**
 * Makes a function that runs `work`, never twice at once: calls during a run cause one more run. Failures are left to
 * the next run.
 */
export const oneAtATime = (work: () => Promise<unknown>): (() => void) => {
  let underWay = false
  let isWanted = false
  return () => {
    isWanted = true
    if (underWay) return
    underWay = true
    void (async () => {
      while (isWanted) {
        isWanted = false
        await work().catch(() => {})
      }
      underWay = false
    })()
  }
}
