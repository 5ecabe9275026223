/** Makes a gate that lets `limit` callers at once run a piece of work; others wait in order. */
export const makeTurns = (limit: number): (<Result>(work: () => Promise<Result>) => Promise<Result>) => {
  const waiting: (() => void)[] = []
  let busy = 0
  return async (work) => {
    if (busy < limit) busy++
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else busy--
    }
  }
}
