/**
 * The same items, the first of which has arrived by the time this settles: whatever a provider says instead of it is
 * thrown here, where the call can still be tried again.
 */
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
