/** Members of an infinite query whose pages name a cursor of the next one. */
export const paged = <Page extends { next_cursor?: string | null }>(
  load: (page: { cursor?: string }, signal: AbortSignal) => Promise<Page>,
) => ({
  initialPageParam: '',
  queryFn: ({ pageParam, signal }: { pageParam: string; signal: AbortSignal }) =>
    load(pageParam === '' ? {} : { cursor: pageParam }, signal),
  getNextPageParam: ({ next_cursor: next }: Page) => next,
})
