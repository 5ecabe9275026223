import { useQueries } from '@tanstack/react-query'
import { api } from '../../data/api.ts'
import type { RunAddress } from '../../data/run.ts'
import { runQuery } from '../../data/run-query.ts'
import { writeRunName } from './run-names.ts'

/** The runs, and how each but the first differs from the first. */
export const useComparison = (places: readonly RunAddress[]) => {
  const [base, ...others] = places
  const runs = useQueries({ queries: places.map(runQuery) })
  const differences = useQueries({
    queries: others.map((other) => ({
      queryKey: ['diff', base && writeRunName(base), writeRunName(other)],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        api.diffTrajectories({
          params: { collection: base?.collection ?? '', task: base?.task ?? '', trajectory_id: base?.id ?? '' },
          query: { with: `${other.task}/${other.id}` },
          signal,
        }),
      enabled: base !== undefined && base.collection === other.collection,
    })),
  })
  return { runs, differences }
}
