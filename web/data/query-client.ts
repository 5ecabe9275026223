import { QueryClient } from '@tanstack/react-query'
import { watchServerAway } from './server-away.ts'

/** The cache of answers. The client of the API already repeats reads that a busy server refused. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: 'always',
      retry: false,
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      staleTime: 5_000,
    },
    mutations: { networkMode: 'always' },
  },
})

watchServerAway((away) => {
  if (away) return
  // Lists of runs follow a stream that goes on where it was; to ask for all their pages again would cost a lot.
  void queryClient.invalidateQueries({
    predicate: ({ queryKey, state }) => queryKey[0] !== 'runs' || state.error !== null,
  })
})
