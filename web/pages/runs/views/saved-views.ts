import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { parseSearch, searchText } from '../../../data/search-text.ts'
import { filterSearch, type RunFilters, readFilters } from '../../../parts/filters/run-filters.ts'
import { errorText } from '../../../parts/problem.tsx'
import { showToast } from '../../../ui/toast.tsx'

interface SavedView {
  name: string
  filters: RunFilters
  author: string
}

/** The text of filters as views keep them. */
const queryOf = (filters: RunFilters): string => searchText(filterSearch(filters)).slice(1)

/** Whether two lists are limited alike. */
export const isSameList = (one: RunFilters, other: RunFilters): boolean => queryOf(one) === queryOf(other)

/** The views of this list that somebody has saved, and how they are saved and deleted. */
export const useSavedViews = (collection: string, task: string | undefined) => {
  const client = useQueryClient()
  const queryKey = keys.views(collection)
  const list = useQuery({
    queryKey,
    queryFn: ({ signal }) => api.listViews({ params: { collection }, signal }),
    staleTime: 60_000,
  })
  const settled = {
    onSettled: () => client.invalidateQueries({ queryKey }),
    onError: (error: unknown) => showToast({ text: errorText(error), isBad: true }),
  }
  const save = useMutation({
    mutationFn: ({ name, filters }: { name: string; filters: RunFilters }) =>
      api.saveView({ params: { collection, name }, body: { task: task ?? null, query: queryOf(filters) } }),
    ...settled,
  })
  const remove = useMutation({
    mutationFn: (name: string) => api.deleteView({ params: { collection, name } }),
    ...settled,
  })
  const views = (list.data?.views ?? [])
    .filter((view) => view.task === (task ?? null))
    .map(({ name, query, author }): SavedView => ({ name, author, filters: readFilters(parseSearch(query)) }))
  return { views, save: save.mutate, remove: remove.mutate }
}
