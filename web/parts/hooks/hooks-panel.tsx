import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import type { Hook } from '../../../src/model/hook.ts'
import { api } from '../../data/api.ts'
import { useNow } from '../../data/clock.ts'
import { paged } from '../../data/paged.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { agoText } from '../../text/times.ts'
import { Badge } from '../../ui/badge.tsx'
import { Button } from '../../ui/button.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { Empty } from '../../ui/empty.tsx'
import { Icon } from '../../ui/icon.tsx'
import { showToast } from '../../ui/toast.tsx'
import { Confirm } from '../form-dialog.tsx'
import { ListFrame } from '../list-frame.tsx'
import { PageLink } from '../page-link.tsx'
import { errorText } from '../problem.tsx'
import { HookDeliveries, useDeliveries } from './hook-deliveries.tsx'
import { EditHook, NewHook, UrlOnce } from './hook-form.tsx'
import { hookKeys, senderNames, senderOf } from './hook-texts.ts'

const Notice = ({ children }: { children: ReactNode }) => (
  <p role="status" className="flex items-start gap-1.5">
    <Icon name="warning" className="mt-0.5 text-wait" />
    <span className="min-w-0 break-words">{children}</span>
  </p>
)

const Expression = ({ label, text, none }: { label: string; text: string | null; none: string }) => (
  <div className="min-w-0">
    <dt className="mb-1 font-medium text-12 text-muted">{label}</dt>
    <dd>
      {text === null ? (
        <span className="text-muted">{none}</span>
      ) : (
        <pre className="max-h-60 overflow-auto whitespace-pre-wrap break-words rounded-m bg-sunk p-2 font-mono text-12">
          {text}
        </pre>
      )}
    </dd>
  </div>
)

/** What keeps the deliveries of a hook from starting runs. */
const Notices = ({ hook }: { hook: Hook }) => {
  const now = useNow()
  const { sender, refused, last_refused_at: at, last_refusal: why } = hook
  return (
    <>
      {!hook.task_exists && (
        <Notice>The task {hook.task} was deleted. Deliveries are kept until there is one again.</Notice>
      )}
      {sender !== 'event' && !hook.has_secret && (
        <Notice>
          It has no signing secret yet, so every delivery is refused. Enter the URL at {senderNames[sender]}, and set
          the secret that is shown there.
        </Notice>
      )}
      {refused > 0 && at !== null && (
        <Notice>
          {refused === 1 ? '1 request was refused' : `${refused.toLocaleString('en-US')} requests were refused`},{' '}
          {agoText(at, now)}: {why}
        </Notice>
      )}
    </>
  )
}

/** One hook: where it listens, what it makes of a delivery, and its deliveries. */
const HookView = ({ hook }: { hook: Hook }) => {
  const { collection, name, task } = hook
  const params = { collection, name }
  const queries = useQueryClient()
  const mayWrite = useMayWrite()
  const [opened, setOpened] = useState<'edit' | 'delete'>()
  const newest = useDeliveries(hook).data?.pages[0]?.deliveries[0]?.number
  const changed = () => queries.invalidateQueries({ queryKey: hookKeys(collection) })
  const pause = useMutation({
    mutationFn: () => api.updateHook({ params, body: { disabled: !hook.disabled } }),
    onSuccess: changed,
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  return (
    <section aria-label={`Hook ${name}`} className="flex flex-col gap-4">
      <header className="flex flex-wrap items-center gap-2">
        <div className="mr-auto flex min-w-0 flex-wrap items-center gap-x-2">
          <h2 className="break-all font-semibold text-15">{name}</h2>
          <span className="text-muted">
            {senderOf(hook)} starts{' '}
            <PageLink
              href={`/${encodeURIComponent(collection)}/${encodeURIComponent(task)}`}
              className="text-accent underline"
            >
              {task}
            </PageLink>
          </span>
          {hook.disabled && <Badge isStrong>Paused</Badge>}
        </div>
        <div className="flex gap-2">
          <Button icon="edit" disabled={!mayWrite} onClick={() => setOpened('edit')}>
            Edit
          </Button>
          <Button disabled={!mayWrite || pause.isPending} onClick={() => pause.mutate()}>
            {hook.disabled ? 'Resume' : 'Pause'}
          </Button>
          <Button icon="bin" look="quiet" disabled={!mayWrite} onClick={() => setOpened('delete')}>
            Delete
          </Button>
        </div>
      </header>
      <Notices hook={hook} />
      {hook.disabled && (
        <p className="text-muted">
          Paused: deliveries are kept and start nothing. Deliver them again after it is resumed.
        </p>
      )}
      {hook.url !== null && (
        <div>
          <h3 className="mb-1 font-medium text-12 text-muted">URL</h3>
          <CopyLine text={hook.url} label="Copy the URL" />
        </div>
      )}
      <dl className="grid gap-4 md:grid-cols-2">
        <Expression label="Filter" text={hook.filter} none="Every delivery starts a run" />
        <Expression label="Mapping" text={hook.mapping} none="The run gets payload and event" />
      </dl>
      <HookDeliveries hook={hook} mayWrite={mayWrite} />
      {opened === 'edit' && <EditHook hook={hook} delivery={newest} onClose={() => setOpened(undefined)} />}
      {opened === 'delete' && (
        <Confirm
          title={`Delete the hook ${name}?`}
          action="Delete"
          cancel="Keep it"
          work={() => api.deleteHook({ params })}
          onDone={changed}
          onClose={() => setOpened(undefined)}
        >
          <p>
            {hook.url === null ? 'Events start no more runs.' : 'Its URL answers 404 from then on.'} Its deliveries are
            deleted; the runs that it started stay.
          </p>
        </Confirm>
      )}
    </section>
  )
}

interface ListProps {
  hooks: readonly Hook[]
  chosen: Hook | undefined
  /** Whether the task of each is told. */
  hasTasks: boolean
  onChoose: (name: string) => void
}

const HookList = ({ hooks, chosen, hasTasks, onChoose }: ListProps) => (
  <nav aria-label="Hooks" className="max-h-72 overflow-auto rounded-m border border-line">
    <ul className="divide-y divide-line">
      {hooks.map((hook) => (
        <li key={hook.name}>
          <button
            type="button"
            aria-current={hook.name === chosen?.name}
            onClick={() => onChoose(hook.name)}
            className={`flex w-full flex-wrap items-center gap-x-3 px-3 py-1.5 text-left ${hook.name === chosen?.name ? 'bg-selection' : 'hover:bg-sunk'}`}
          >
            <span className="min-w-0 break-all font-medium">{hook.name}</span>
            <span className="min-w-0 flex-1 truncate text-12 text-muted">
              {senderOf(hook)}
              {hasTasks && ` · ${hook.task}`}
            </span>
            {hook.disabled && <span className="text-12 text-muted">Paused</span>}
            {!hook.task_exists && <Icon name="warning" label="Its task was deleted" className="text-wait" />}
          </button>
        </li>
      ))}
    </ul>
  </nav>
)

interface HooksPanelProps {
  collection: string
  /** Only hooks of this task; undefined: all of the collection. */
  task?: string
  /** Name of the hook in the address. */
  asked: string | undefined
  onChoose: (name: string) => void
}

/** The hooks of a collection or of a task, one of them with its deliveries. */
export const HooksPanel = ({ collection, task, asked, onChoose }: HooksPanelProps) => {
  const mayWrite = useMayWrite()
  const [isNew, setNew] = useState(false)
  const [made, setMade] = useState<Awaited<ReturnType<typeof api.createHook>>>()
  const list = useInfiniteQuery({
    queryKey: hookKeys(collection, 'list', task ?? ''),
    ...paged((page, signal) =>
      api.listHooks({ params: { collection }, query: { ...(task !== undefined && { task }), ...page }, signal }),
    ),
  })
  const hooks = list.data?.pages.flatMap((page) => page.hooks) ?? []
  const chosen = hooks.find(({ name }) => name === asked) ?? hooks[0]
  return (
    <>
      <header className="flex flex-wrap items-start gap-x-6 gap-y-3">
        <div className="min-w-60 flex-1 max-sm:basis-full">
          <h1 className="font-semibold text-20">Hooks of {task ?? collection}</h1>
          <p className="mt-1 max-w-150 text-muted">
            A hook starts a run for each webhook of another service, or for each event of a name. Each delivery is
            stored before it is answered, and starts one run.
          </p>
        </div>
        <Button icon="plus" disabled={!mayWrite} onClick={() => setNew(true)}>
          New hook
        </Button>
      </header>
      <ListFrame
        list={list}
        count={hooks.length}
        more="More hooks"
        empty={
          <Empty
            title="Nothing starts runs from outside yet"
            command={`jetty hooks create ${collection}/${task ?? 'my-task'} --from github`}
          >
            A hook gives GitHub, Stripe, Slack, Linear or another service a URL at which it starts runs.
          </Empty>
        }
      >
        {(hooks.length > 1 || list.hasNextPage) && (
          <HookList hooks={hooks} chosen={chosen} hasTasks={task === undefined} onChoose={onChoose} />
        )}
        {chosen && <HookView key={chosen.name} hook={chosen} />}
      </ListFrame>
      {isNew && (
        <NewHook
          collection={collection}
          task={task}
          onClose={() => setNew(false)}
          onMade={(hook) => {
            setNew(false)
            onChoose(hook.name)
            if (hook.url !== null) setMade(hook)
          }}
        />
      )}
      {made && <UrlOnce hook={made} onClose={() => setMade(undefined)} />}
    </>
  )
}
