import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import type { RetentionTrial } from '../../../../src/model/collections/retention-preview.ts'
import { api } from '../../../data/api.ts'

/** Counting many runs is work for the server: it is asked once somebody stops typing. */
const waitMs = 400

/** What rules would delete now; undefined rules are not asked about. */
export const usePreview = (collection: string, change: RetentionTrial | undefined) => {
  const wanted = change === undefined ? undefined : JSON.stringify(change)
  const [asked, setAsked] = useState(wanted)
  useEffect(() => {
    const timer = setTimeout(() => setAsked(wanted), waitMs)
    return () => clearTimeout(timer)
  }, [wanted])
  const query = useQuery({
    queryKey: ['retention', collection, asked],
    queryFn: ({ signal }) =>
      api.previewRetention({ params: { collection }, body: JSON.parse(asked ?? '{}') as RetentionTrial, signal }),
    enabled: asked !== undefined,
    placeholderData: keepPreviousData,
    // Runs end meanwhile.
    staleTime: 10_000,
  })
  return { ...query, isCurrent: asked === wanted && query.isSuccess && !query.isPlaceholderData }
}
