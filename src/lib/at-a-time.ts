/** Maps items with at most `limit` concurrent calls, results in order. After a failure no further call starts. */
export const atATime = async <Item, Result>(
  limit: number,
  items: Item[],
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> => {
  const results: Result[] = []
  let next = 0
  let failed = false
  const worker = async () => {
    while (next < items.length && !failed) {
      const index = next++
      try {
        results[index] = await work(items[index] as Item, index)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
  return results
}
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
