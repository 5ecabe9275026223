import type { QueryClient, QueryKey } from '@tanstack/react-query'

/** Makes a function that reads queries again, at most once in so many milliseconds however often it is called. */
export const makeRefresher = (everyMs: number) => {
  const due = new Map<string, QueryKey>()
  let _timer: ReturnType<typeof setTimeout> | undefined
  const refresh = (client: QueryClient): void => {
    _timer = undefined
    for (const [name, queryKey] of due) {
      // The read that is under way may be older than the change. To cancel it would leave a busy page without any.
      if (client.isFetching({ queryKey }) > 0) continue
      due.delete(name)
      void client.invalidateQueries({ queryKey })
    }
    if (due.size > 0) _timer = setTimeout(refresh, everyMs, client)
  }
  return (client: QueryClient, queryKey: QueryKey): void => {
    due.set(JSON.stringify(queryKey), queryKey)
    _timer ??= setTimeout(refresh, everyMs, client)
  }
}

/** For what people wait for. */
export const refreshSoon = makeRefresher(500)
/** For totals: they cost the server more. */
export const refreshLater = makeRefresher(2_000)
