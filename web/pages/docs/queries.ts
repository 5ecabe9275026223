import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { api } from '../../data/api.ts'

/** The documentation changes only with the server. */
const staleTime = Number.POSITIVE_INFINITY

/** Loads the list of pages. */
export const docGroupsQuery = queryOptions({
  queryKey: ['docs'],
  queryFn: ({ signal }) => api.listDocs({ signal }),
  staleTime,
})

/** Loads a page as Markdown. */
export const docPageQuery = (page: string) =>
  queryOptions({
    queryKey: ['docs', 'page', page],
    queryFn: async ({ signal }) => (await api.getDocsPage({ params: { page: `${page}.md` }, signal })).text(),
    staleTime,
  })

/** Finds sections. What was found before stays until the answer comes. */
export const docSearchQuery = (q: string) =>
  queryOptions({
    queryKey: ['docs', 'search', q],
    queryFn: ({ signal }) => api.searchDocs({ query: { q, limit: 12 }, signal }),
    enabled: q.trim() !== '',
    placeholderData: keepPreviousData,
    staleTime,
  })
