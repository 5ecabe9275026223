/**
 * Combines single calls into batches, without a timer: calls that arrive while a batch runs form the next one. `run`
 * returns one result for each item, in order. A batch has at most `limit` items.
 */
export const batched = <Item, Result>(
  run: (items: Item[]) => Promise<Result[]>,
  limit = 1000,
): ((item: Item) => Promise<Result>) => {
  interface Waiting {
    item: Item
    resolve: (result: Result) => void
    reject: (reason: unknown) => void
  }
  const queue: Waiting[] = []
  let running = false

  const drain = async () => {
    running = true
    await null // callers of the same tick share the first batch
    while (queue.length > 0) {
      const batch = queue.splice(0, limit)
      try {
        const results = await run(batch.map((waiting) => waiting.item))
        for (const [index, waiting] of batch.entries()) waiting.resolve(results[index] as Result)
      } catch (error) {
        for (const waiting of batch) waiting.reject(error)
      }
    }
    running = false
  }

  return (item) =>
    new Promise((resolve, reject) => {
      queue.push({ item, resolve, reject })
      if (!running) void drain()
    })
}
