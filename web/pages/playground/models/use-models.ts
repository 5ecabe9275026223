import { useQuery } from '@tanstack/react-query'
import { api } from '../../../data/api.ts'

const freshMs = 5 * 60_000

/** Loads the models that the keys of a collection reach, with context and prices. */
export const useModels = (collection: string | undefined) =>
  useQuery({
    queryKey: ['models', collection],
    queryFn: async ({ signal }) =>
      (await api.listRoutableModels({ query: { collection: collection ?? '', details: true }, signal })).data,
    enabled: collection !== undefined,
    staleTime: freshMs,
  })
