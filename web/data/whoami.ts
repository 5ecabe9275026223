import { useQuery } from '@tanstack/react-query'
import { api } from './api.ts'
import { keys } from './keys.ts'

/** Who has signed in; undefined until the server has said so. */
export const useWhoami = () =>
  useQuery({ queryKey: keys.whoami, queryFn: ({ signal }) => api.whoAmI({ signal }), staleTime: 60_000 }).data

/** Whether this person may start and change things, as far as is known. */
export const useMayWrite = (): boolean => {
  const access = useWhoami()?.access_level
  return access === undefined || access !== 'READ'
}
