import { useQuery } from '@tanstack/react-query'
import { api } from '../../../data/api.ts'

/** How often a page about the server asks again while it is looked at. */
const refreshMs = 10_000

/** How the server is, asked again while the page is open; a hidden tab asks nothing. */
export const useSystem = () =>
  useQuery({
    queryKey: ['system'],
    queryFn: ({ signal }) => api.getSystem({ signal }),
    refetchInterval: refreshMs,
    refetchIntervalInBackground: false,
  })
