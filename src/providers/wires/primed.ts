/** Resolves with the same items once the first has arrived: a failure before it is thrown here, where a retry is possible. */
export const primed = async <T>(items: AsyncIterable<T>): Promise<AsyncIterable<T>> => {
  const iterator = items[Symbol.asyncIterator]()
  let first: IteratorResult<T> | undefined = await iterator.next()
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const current = first
        first = undefined
        return current ?? iterator.next()
      },
      return: async (value?: unknown) => {
        await iterator.return?.()
        return { done: true, value }
      },
    }),
  }
}
