/**
 * Gives a function that begins `work`, never twice at the same time: calls while it is under way lead to one more turn.
 * Failures are left to the next turn.
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
