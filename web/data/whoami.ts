import { useQuery } from '@tanstack/react-query'
import { api } from './api.ts'
import { keys } from './keys.ts'

/** Who has signed in; undefined until the server has said so. */
export const useWhoami = () =>
  useQuery({ queryKey: keys.whoami, queryFn: ({ signal }) => api.whoAmI({ signal }), staleTime: 60_000 }).data

/** Whether this person may start and change things, as far as is known. */
export const useMayWrite = (): boolean => {
  const access = useWhoami()?.access_level
  return access === undefined || access === 'WRITE' || access === 'ADMIN'
}

/** The author of what this person starts, as runs name it; undefined until the server has said who they are. */
export const useAuthor = (): string | undefined => {
  const who = useWhoami()
  return who && (who.auth_type === 'admin' ? 'admin' : `api-key:${who.name ?? ''}`)
}
