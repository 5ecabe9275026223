import { useInfiniteQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { ListedConversation, User } from '../../../src/model/runs/conversation.ts'
import { api } from '../../data/api.ts'
import { useTitle } from '../../data/browser.ts'
import { useNow } from '../../data/clock.ts'
import { paged } from '../../data/paged.ts'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import { ListFrame } from '../../parts/list-frame.tsx'
import { PageLink, sessionHref, userHref } from '../../parts/page-link.tsx'
import { costText, countText } from '../../text/numbers.ts'
import { agoText, momentText } from '../../text/times.ts'
import { Empty } from '../../ui/empty.tsx'
import { LabelTotals } from './label-totals.tsx'

interface ListedRow {
  name: string
  href: string
  /** Stands below the name. */
  note?: string | undefined
  of: User | ListedConversation
}

const numberClass = 'hidden w-20 shrink-0 text-right sm:block'

/** Users or sessions, the latest first, with what each has cost. */
export const ValueList = ({ noun, rows }: { noun: string; rows: readonly ListedRow[] }) => {
  const now = useNow()
  return (
    <div>
      <div className="flex gap-3 px-2 pb-1 text-11 text-muted" aria-hidden="true">
        <span className="min-w-0 flex-1">{noun}</span>
        <span className={numberClass}>Runs</span>
        <span className={numberClass}>Tokens</span>
        <span className="w-20 shrink-0 text-right">Cost</span>
        <span className="w-20 shrink-0 text-right">Last seen</span>
      </div>
      <ul aria-label={`${noun}s`} className="divide-y divide-line border-line border-y">
        {rows.map(({ name, href, note, of }) => (
          <li key={name}>
            <PageLink href={href} className="flex items-center gap-3 px-2 py-2 hover:bg-sunk">
              <span className="min-w-0 flex-1">
                <span className="block truncate font-medium">{name}</span>
                {note !== undefined && <span className="block truncate text-12 text-muted">{note}</span>}
              </span>
              <span className={numberClass}>{countText(of.runs)}</span>
              <span className={numberClass}>{countText(of.tokens)}</span>
              <span className="w-20 shrink-0 text-right">{costText(of.cost_usd, of.calls > 0)}</span>
              <span className="w-20 shrink-0 text-right text-muted" title={momentText(of.last_at)}>
                {agoText(of.last_at, now)}
              </span>
            </PageLink>
          </li>
        ))}
      </ul>
    </div>
  )
}

/** The rows of conversations. */
export const sessionRows = (collection: string, sessions: readonly ListedConversation[]): ListedRow[] =>
  sessions.map((of) => ({
    name: of.session,
    href: sessionHref(collection, of.session),
    note: of.user ?? undefined,
    of,
  }))

const label = "-H 'X-Jetty-Labels: user=u-17,session=c-4'"

const Frame = ({
  collection,
  current,
  children,
}: {
  collection: string
  current: 'sessions' | 'users'
  children: ReactNode
}) => (
  <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
    <h1 className="sr-only">
      {current === 'sessions' ? 'Sessions' : 'Users'} of {collection}
    </h1>
    <CollectionTabs collection={collection} current={current} />
    <div className="mx-auto flex max-w-240 flex-col gap-2 px-4 py-6">{children}</div>
  </main>
)

/** The conversations of a collection. */
export const SessionsPage = () => {
  const { collection = '' } = useParams({ strict: false })
  useTitle('Sessions', collection)
  const list = useInfiniteQuery({
    queryKey: ['conversations', collection],
    ...paged((page, signal) => api.listConversations({ params: { collection }, query: page, signal })),
  })
  const sessions = list.data?.pages.flatMap(({ conversations }) => conversations) ?? []
  return (
    <Frame collection={collection} current="sessions">
      <ListFrame
        list={list}
        count={sessions.length}
        more="More sessions"
        empty={
          <Empty title="No session yet" command={`jetty run ${collection}/<task> --label session=c-4`}>
            Runs, gateway calls and traces with the same label <code>session</code> are one conversation. Gateway calls
            name it with <code>{label}</code>.
          </Empty>
        }
      >
        <ValueList noun="Session" rows={sessionRows(collection, sessions)} />
      </ListFrame>
    </Frame>
  )
}

/** The users of a collection. */
export const UsersPage = () => {
  const { collection = '' } = useParams({ strict: false })
  useTitle('Users', collection)
  const list = useInfiniteQuery({
    queryKey: ['users', collection],
    ...paged((page, signal) => api.listUsers({ params: { collection }, query: page, signal })),
  })
  const users = list.data?.pages.flatMap((page) => page.users) ?? []
  return (
    <Frame collection={collection} current="users">
      <ListFrame
        list={list}
        count={users.length}
        more="More users"
        empty={
          <Empty title="No user yet" command={`jetty run ${collection}/<task> --label user=u-17`}>
            Runs, gateway calls and traces with a label <code>user</code> are summed up here. Gateway calls name it with{' '}
            <code>{label}</code>.
          </Empty>
        }
      >
        <ValueList noun="User" rows={users.map((of) => ({ name: of.user, href: userHref(collection, of.user), of }))} />
      </ListFrame>
      <LabelTotals collection={collection} />
    </Frame>
  )
}
