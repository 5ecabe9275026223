import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { api } from '../../../data/api.ts'

const pageSize = 100
const keysOf = (collection: string) => ['api-keys', collection] as const

/** The keys that cover a collection, newest first, page by page. */
export const useApiKeys = (collection: string) =>
  useInfiniteQuery({
    queryKey: keysOf(collection),
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      api.listKeys({ params: { collection }, query: { skip: pageParam, limit: pageSize }, signal }),
    getNextPageParam: (page, pages) => (page.length < pageSize ? undefined : pages.length * pageSize),
  })

/** Asks again for the keys after a change. */
export const useKeysChanged = (collection: string) => {
  const queries = useQueryClient()
  return () => queries.invalidateQueries({ queryKey: keysOf(collection) })
}
