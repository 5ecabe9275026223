import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { Tabs } from '../../../ui/tabs.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { DeliveryRow, type ListedDelivery } from './delivery-row.tsx'

const pageSize = 50

interface DeliveryListProps {
  collection: string
  mayWrite: boolean
}

/** The attempts to deliver webhooks of a collection, newest first. */
export const DeliveryList = ({ collection, mayWrite }: DeliveryListProps) => {
  const queries = useQueryClient()
  const [status, setStatus] = useState<'all' | 'failed'>('all')
  const list = useInfiniteQuery({
    queryKey: ['deliveries', collection, status],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) =>
      api.listCollectionDeliveries({
        params: { collection },
        query: { status, limit: pageSize, ...(pageParam === undefined ? {} : { cursor: pageParam }) },
        signal,
      }),
    getNextPageParam: ({ next_cursor: next }) => next ?? undefined,
  })
  const again = useMutation({
    mutationFn: ({ task, trajectory_id, n }: ListedDelivery) =>
      api.redeliver({ params: { collection, task, trajectory_id, n: String(n) } }),
    onSuccess: (answer) => {
      const last = answer.deliveries.at(-1)
      showToast(
        last?.status === 'delivered'
          ? { text: `Delivered: the receiver answered ${last.status_code}` }
          : { text: last?.error ?? 'It was not delivered', isBad: true },
      )
      return queries.invalidateQueries({ queryKey: ['deliveries', collection] })
    },
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  const deliveries = list.data?.pages.flatMap((page) => page.deliveries) ?? []
  const label = status === 'all' ? 'All deliveries' : 'Failed deliveries'
  return (
    <section aria-label="Deliveries" className="flex flex-col gap-3">
      <Tabs
        label="Deliveries"
        className="border-line border-b"
        current={status}
        onSelect={setStatus}
        tabs={[
          { name: 'all', text: 'All' },
          { name: 'failed', text: 'Failed' },
        ]}
      />
      <div role="tabpanel" aria-label={label} className="flex flex-col gap-3">
        {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
        {list.isSuccess && deliveries.length === 0 && (
          <Empty
            title={status === 'all' ? 'Nothing was delivered yet' : 'No delivery has failed'}
            command={`jetty run ${collection}/my-task --webhook https://example.com/done`}
          >
            Give a run or a routine the address of a receiver, and each attempt to notify it is listed here.
          </Empty>
        )}
        {deliveries.length > 0 && (
          <ul aria-label={label} className="divide-y divide-line">
            {deliveries.map((one) => (
              <DeliveryRow
                key={`${one.trajectory_id} ${one.n}`}
                of={one}
                collection={collection}
                onAgain={mayWrite && !again.isPending ? () => again.mutate(one) : undefined}
              />
            ))}
          </ul>
        )}
        {list.hasNextPage && (
          <Button className="self-start" disabled={list.isFetching} onClick={() => void list.fetchNextPage()}>
            Older deliveries
          </Button>
        )}
      </div>
    </section>
  )
}
