import { useQuery, useQueryClient } from '@tanstack/react-query'
import { api } from '../../../data/api.ts'

const variablesOf = (collection: string) => ['variables', collection] as const

/** The names of the variables of a collection; their values never leave the server. */
export const useVariables = (collection: string) =>
  useQuery({
    queryKey: variablesOf(collection),
    queryFn: ({ signal }) => api.listVariables({ params: { collection }, signal }),
  })

/** Sets variables, or deletes those that are null. */
export const useSetVariables = (collection: string) => {
  const queries = useQueryClient()
  return async (variables: Record<string, string | null>): Promise<void> => {
    await api.setEnvironment({ params: { collection }, body: { environment_variables: variables } })
    await queries.invalidateQueries({ queryKey: variablesOf(collection) })
  }
}
