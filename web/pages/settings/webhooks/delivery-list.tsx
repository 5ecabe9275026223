import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { paged } from '../../../data/paged.ts'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { PageLink, runHref } from '../../../parts/page-link.tsx'
import { errorText } from '../../../parts/problem.tsx'
import { momentText } from '../../../text/moment.ts'
import { Button } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { Tabs } from '../../../ui/tabs.tsx'
import { showToast } from '../../../ui/toast.tsx'

type ListedDelivery = Awaited<ReturnType<typeof api.listCollectionDeliveries>>['deliveries'][number]

interface DeliveryRowProps {
  of: ListedDelivery
  collection: string
  /** Delivers again; undefined: this person may not, or one is under way. */
  onAgain: (() => void) | undefined
}

/** One attempt: of which run, to whom, and what the receiver answered. */
const DeliveryRow = ({ of, collection, onAgain }: DeliveryRowProps) => {
  const isDelivered = of.status === 'delivered'
  const { task, trajectory_id: id } = of
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2">
      <Icon
        name={isDelivered ? 'tick' : 'cross'}
        label={isDelivered ? 'Delivered' : 'Failed'}
        className={isDelivered ? 'text-ok' : 'text-bad'}
      />
      <time dateTime={of.created} className="w-34 shrink-0 text-12 text-muted tabular-nums">
        {momentText(of.created)}
      </time>
      <div className="min-w-60 flex-1">
        <p className="flex flex-wrap gap-x-2">
          <PageLink href={runHref({ collection, task, trajectory_id: id })} className="text-accent">
            {task}/{id}
          </PageLink>
          <span className="text-muted">
            attempt {of.n}
            {of.by_hand && ', by hand'}
          </span>
        </p>
        <p className="break-all text-12 text-muted">{of.webhook_url}</p>
        {of.error && <p className="break-words text-12 text-bad">{of.error}</p>}
      </div>
      <span className="text-12 text-muted tabular-nums">
        {of.status_code ?? 'no answer'} · {of.duration_ms} ms
      </span>
      <Button disabled={!onAgain} aria-label={`Deliver again: ${task}/${id}`} onClick={() => onAgain?.()}>
        Deliver again
      </Button>
    </li>
  )
}

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
    ...paged((page, signal) =>
      api.listCollectionDeliveries({ params: { collection }, query: { status, limit: pageSize, ...page }, signal }),
    ),
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
        <ListFrame
          list={list}
          count={deliveries.length}
          more="Older deliveries"
          empty={
            <Empty
              title={status === 'all' ? 'Nothing was delivered yet' : 'No delivery has failed'}
              command={`jetty run ${collection}/my-task --webhook https://example.com/done`}
            >
              Give a run or a routine the address of a receiver, and each attempt to notify it is listed here.
            </Empty>
          }
        >
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
        </ListFrame>
      </div>
    </section>
  )
}
