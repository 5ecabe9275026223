import type { api } from '../../../data/api.ts'
import { PageLink, runHref } from '../../../parts/page-link.tsx'
import { momentText } from '../../../text/moment.ts'
import { Button } from '../../../ui/button.tsx'
import { Icon } from '../../../ui/icon.tsx'

export type ListedDelivery = Awaited<ReturnType<typeof api.listCollectionDeliveries>>['deliveries'][number]

interface DeliveryRowProps {
  of: ListedDelivery
  collection: string
  /** Delivers again; undefined: this person may not, or one is under way. */
  onAgain: (() => void) | undefined
}

/** One attempt: of which run, to whom, and what the receiver answered. */
export const DeliveryRow = ({ of, collection, onAgain }: DeliveryRowProps) => {
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
