import { useQuery, useQueryClient } from '@tanstack/react-query'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { useLiveCollection } from '../../data/live-collection.ts'
import { refreshLater } from '../../data/refresh-soon.ts'

/** Days of the chart of activity. */
const shownDays = 30
const dayMs = 86_400_000
const mostTasks = 500
const mostFailures = 6

/** Moment with which the statistics begin, by whole days (UTC), so that the same day asks the same question. */
const firstDay = (): string => new Date(Date.now() - (shownDays - 1) * dayMs).toISOString().slice(0, 10)

export const useTaskSummaries = (collection: string) =>
  useQuery({
    queryKey: [...keys.tasks(collection), 'summary'],
    queryFn: ({ signal }) =>
      api.listTasks({ params: { collection }, query: { view: 'summary', limit: mostTasks }, signal }),
  })

export const useActivity = (collection: string) =>
  useQuery({
    queryKey: [...keys.runs(collection), 'days', firstDay()],
    queryFn: ({ signal }) =>
      api.getCollectionStats({ params: { collection }, query: { from: firstDay(), by: 'day' }, signal }),
  })

export const useLatestFailures = (collection: string) =>
  useQuery({
    queryKey: [...keys.runs(collection), 'failures'],
    queryFn: ({ signal }) =>
      api.listCollectionRuns({
        params: { collection },
        query: { status: ['failed'], top_level: true, limit: mostFailures },
        signal,
      }),
  })

export const useOpenApprovals = (collection: string) =>
  useQuery({
    queryKey: [...keys.runs(collection), 'approvals'],
    queryFn: ({ signal }) => api.listApprovals({ params: { collection }, query: { limit: 5 }, signal }),
  })

/** Follows a collection, and asks again for its totals some time after something changed. */
export const useLiveOverview = (collection: string): void => {
  const client = useQueryClient()
  const shown = [keys.tasks(collection), keys.runs(collection)]
  useLiveCollection(collection, {
    onNews: () => {
      for (const queryKey of shown) refreshLater(client, queryKey)
    },
    onGap: () => {
      for (const queryKey of shown) void client.invalidateQueries({ queryKey })
    },
  })
}
