import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Hook, HookDelivery } from '../../../src/model/hook.ts'
import { api } from '../../data/api.ts'
import { paged } from '../../data/paged.ts'
import { bytesText } from '../../text/numbers.ts'
import { momentText } from '../../text/times.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Empty } from '../../ui/empty.tsx'
import { SelectField } from '../../ui/field.tsx'
import { Icon, type IconName } from '../../ui/icon.tsx'
import { Status } from '../../ui/status.tsx'
import { showToast } from '../../ui/toast.tsx'
import { JsonTree } from '../json-tree/json-tree.tsx'
import { ListFrame } from '../list-frame.tsx'
import { PageLink, runHref } from '../page-link.tsx'
import { errorText, Problem } from '../problem.tsx'
import { hookKeys, isUnstarted, stateTexts } from './hook-texts.ts'

interface PayloadProps {
  hook: Hook
  delivery: HookDelivery
  onClose: () => void
}

/** The payload of one delivery. */
const Payload = ({ hook: { collection, name }, delivery, onClose }: PayloadProps) => {
  const number = String(delivery.number)
  const query = useQuery({
    queryKey: hookKeys(collection, name, 'delivery', number),
    queryFn: ({ signal }) => api.getHookDelivery({ params: { collection, name, number }, signal }),
  })
  return (
    <Dialog title={`Delivery ${delivery.number}`} isOpen width="wide" onClose={onClose}>
      {query.error && <Problem error={query.error} onRetry={() => void query.refetch()} />}
      {query.data && <JsonTree value={query.data.payload} path="payload" label="Payload" />}
    </Dialog>
  )
}

const marks: Record<Exclude<HookDelivery['state'], 'started'>, [icon: IconName, colour: string]> = {
  waiting: ['clock', 'text-muted'],
  filtered: ['filter', 'text-muted'],
  failed: ['cross', 'text-bad'],
  disabled: ['warning', 'text-wait'],
  task_missing: ['warning', 'text-wait'],
  paused: ['warning', 'text-wait'],
}

/** What became of a delivery: the run with its status, or why there is none. */
const Became = ({ of, collection }: { of: HookDelivery; collection: string }) => {
  const { state, reason, task, trajectory_id: id, status, next_attempt_at: next } = of
  if (state === 'started') {
    if (task === null || id === null) return <p className="text-muted">Started a run, which was deleted</p>
    return (
      <p className="flex flex-wrap items-center gap-x-3">
        <Status of={status ?? 'pending'} />
        <PageLink href={runHref({ collection, task, trajectory_id: id })} className="text-accent">
          {task}/{id}
        </PageLink>
      </p>
    )
  }
  const [icon, colour] = marks[state]
  return (
    <div className="min-w-0">
      <p className="flex items-center gap-1.5">
        <Icon name={icon} className={colour} />
        {stateTexts[state]}
      </p>
      {reason && <p className={`break-words text-12 ${state === 'failed' ? 'text-bad' : 'text-muted'}`}>{reason}</p>}
      {next && <p className="text-12 text-muted">Tried again at {momentText(next)}</p>}
    </div>
  )
}

interface RowProps {
  of: HookDelivery
  collection: string
  onPayload: () => void
  /** Delivers again; undefined: this person may not, or it waits already. */
  onAgain: (() => void) | undefined
}

const DeliveryRow = ({ of, collection, onPayload, onAgain }: RowProps) => (
  <li className="flex flex-wrap items-start gap-x-4 gap-y-1 py-2">
    <div className="w-56 min-w-0 shrink-0 max-sm:w-full">
      <p className="truncate font-medium" title={of.event ?? undefined}>
        {of.event ?? 'Delivery'}
        {of.redelivered > 0 && (
          <span className="font-normal text-muted">
            {' '}
            · delivered again {of.redelivered === 1 ? '' : `${of.redelivered} times`}
          </span>
        )}
      </p>
      <p className="text-12 text-muted tabular-nums">
        <time dateTime={of.received_at}>{momentText(of.received_at)}</time> · {bytesText(of.bytes)}
      </p>
    </div>
    <div className="min-w-50 flex-1">
      <Became of={of} collection={collection} />
      <p className="truncate font-mono text-12 text-faint" title={of.id}>
        {of.id}
      </p>
    </div>
    <div className="flex gap-2">
      <Button look="quiet" aria-label={`Payload of delivery ${of.number}`} onClick={onPayload}>
        Payload
      </Button>
      <Button disabled={!onAgain} aria-label={`Deliver again: ${of.number}`} onClick={() => onAgain?.()}>
        Deliver again
      </Button>
    </div>
  </li>
)

const pageSize = 50
/** While a delivery waits, and otherwise. */
const [soonMs, laterMs] = [1_500, 15_000]

const hasMore = ({ state, status }: HookDelivery): boolean =>
  state === 'waiting' || (state === 'started' && (status === 'pending' || status === 'running'))

/** The deliveries of a hook, newest first. */
export const useDeliveries = ({ collection, name }: Hook, state?: HookDelivery['state']) =>
  useInfiniteQuery({
    queryKey: hookKeys(collection, name, 'deliveries', state ?? ''),
    ...paged((page, signal) =>
      api.listHookDeliveries({
        params: { collection, name },
        query: { limit: pageSize, ...(state && { state }), ...page },
        signal,
      }),
    ),
    refetchInterval: ({ state: { data } }) =>
      data?.pages.some(({ deliveries }) => deliveries.some(hasMore)) ? soonMs : laterMs,
  })

interface DeliveriesProps {
  hook: Hook
  mayWrite: boolean
}

/** What a hook has received, what became of it, and what can be delivered again. */
export const HookDeliveries = ({ hook, mayWrite }: DeliveriesProps) => {
  const { collection, name } = hook
  const queries = useQueryClient()
  const [state, setState] = useState<HookDelivery['state']>()
  const [shown, setShown] = useState<HookDelivery>()
  const list = useDeliveries(hook, state)
  const again = useMutation({
    mutationFn: (body: Parameters<typeof api.redeliverHook>[0]['body']) =>
      api.redeliverHook({ params: { collection, name }, body }),
    onSuccess: ({ redelivered }) => {
      showToast({ text: redelivered === 1 ? 'It is delivered again' : `${redelivered} are delivered again` })
      return queries.invalidateQueries({ queryKey: hookKeys(collection, name) })
    },
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  const deliveries = list.data?.pages.flatMap((page) => page.deliveries) ?? []
  const mayAgain = mayWrite && !again.isPending
  return (
    <section aria-label="Deliveries" className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-2">
        <h3 className="mr-auto font-medium text-15">Deliveries</h3>
        {isUnstarted(state) && deliveries.length > 0 && (
          <Button icon="again" disabled={!mayAgain} onClick={() => again.mutate({ state })}>
            Deliver all of these again
          </Button>
        )}
        <SelectField
          label="Deliveries that are shown"
          hidesLabel
          value={state ?? ''}
          onChange={(change) => setState((change.target.value || undefined) as HookDelivery['state'] | undefined)}
          options={[['', 'All'], ...Object.entries(stateTexts)]}
        />
      </div>
      <ListFrame
        list={list}
        count={deliveries.length}
        more="Older deliveries"
        empty={
          state === undefined ? (
            <Empty
              title="Nothing was delivered yet"
              command={
                hook.sender === 'event'
                  ? `jetty events send ${collection} ${hook.event} my-key`
                  : `jetty hooks test ${collection}/${name} payload.json`
              }
            >
              {hook.sender === 'event'
                ? 'Each event of this name is listed here with the run that it starts.'
                : 'Each signed request to the URL is listed here with the run that it starts.'}
            </Empty>
          ) : (
            <Empty title="No such delivery" />
          )
        }
      >
        <ul aria-label="Deliveries" className="divide-y divide-line border-line border-y">
          {deliveries.map((one) => (
            <DeliveryRow
              key={one.number}
              of={one}
              collection={collection}
              onPayload={() => setShown(one)}
              onAgain={mayAgain && one.state !== 'waiting' ? () => again.mutate({ number: one.number }) : undefined}
            />
          ))}
        </ul>
      </ListFrame>
      {shown && <Payload hook={hook} delivery={shown} onClose={() => setShown(undefined)} />}
    </section>
  )
}
