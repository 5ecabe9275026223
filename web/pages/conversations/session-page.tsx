import { useInfiniteQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import type { Turn } from '../../../src/model/runs/conversation.ts'
import { api } from '../../data/api.ts'
import { useTitle } from '../../data/browser.ts'
import { paged } from '../../data/paged.ts'
import { CollectionTabs } from '../../parts/collection-tabs.tsx'
import { ListFrame } from '../../parts/list-frame.tsx'
import { PageLink, runHref, userHref } from '../../parts/page-link.tsx'
import { costText, countText, usdText } from '../../text/numbers.ts'
import { durationText, momentText } from '../../text/times.ts'
import { StatusMark } from '../../ui/status.tsx'

const origins: Partial<Record<Turn['trigger'], string>> = { gateway: 'gateway call', ingest: 'trace' }

/** The runs that a turn has started. */
const Started = ({ collection, turn }: { collection: string; turn: Turn }) => (
  <div className="flex flex-wrap items-center gap-x-3 gap-y-1 text-12 text-muted">
    <span>Started {turn.started_total === 1 ? 'a run' : `${countText(turn.started_total)} runs`}</span>
    {turn.started.map((run) => (
      <PageLink
        key={`${run.task}/${run.trajectory_id}`}
        href={runHref({ collection, ...run })}
        className="flex items-center gap-1 text-accent hover:underline"
      >
        <StatusMark of={run.status} label={run.status} />
        {run.task}
      </PageLink>
    ))}
  </div>
)

const TurnBox = ({ collection, turn }: { collection: string; turn: Turn }) => (
  <li className="flex flex-col gap-2 border-line border-b py-4">
    <div className="flex flex-wrap items-center gap-x-3 gap-y-1 text-12 text-muted">
      <span className="font-medium text-text">{turn.user ?? 'User'}</span>
      <span>{momentText(turn.created)}</span>
    </div>
    <p className="wrap-anywhere whitespace-pre-wrap">{turn.said || '–'}</p>
    <div className="flex flex-col gap-2 border-line border-l-2 pl-3">
      <p className="wrap-anywhere whitespace-pre-wrap">{turn.answered || '–'}</p>
      {turn.started_total > 0 && <Started collection={collection} turn={turn} />}
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1 text-12 text-muted">
        <PageLink
          href={runHref({ collection, ...turn })}
          className="flex items-center gap-1 text-accent hover:underline"
        >
          <StatusMark of={turn.status} label={turn.status} />
          {turn.task}
        </PageLink>
        {origins[turn.trigger] && <span>{origins[turn.trigger]}</span>}
        <span>{turn.tokens === 0 && turn.cost_usd === null ? 'no model call' : usdText(turn.cost_usd)}</span>
        {turn.tokens > 0 && <span>{countText(turn.tokens)} tokens</span>}
        {turn.duration_seconds !== null && <span>{durationText(turn.duration_seconds)}</span>}
      </div>
    </div>
  </li>
)

/** A conversation as one reads it: what was said and answered, and what each turn cost and started. */
export const SessionPage = () => {
  const { collection = '', session = '' } = useParams({ strict: false })
  useTitle(session, collection)
  const list = useInfiniteQuery({
    queryKey: ['conversation', collection, session],
    ...paged((page, signal) => api.getConversation({ params: { collection, session }, query: page, signal })),
  })
  const first = list.data?.pages[0]
  const turns = list.data?.pages.flatMap((page) => page.turns) ?? []
  return (
    <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
      <CollectionTabs collection={collection} current="sessions" />
      <div className="mx-auto flex max-w-200 flex-col gap-2 px-4 py-6">
        <h1 className="wrap-anywhere font-semibold text-20">{session}</h1>
        {first && (
          <p className="flex flex-wrap gap-x-4 gap-y-1 text-muted">
            {first.user !== null && (
              <PageLink href={userHref(collection, first.user)} className="text-accent hover:underline">
                {first.user}
              </PageLink>
            )}
            <span>{first.runs === 1 ? '1 run' : `${countText(first.runs)} runs`}</span>
            <span>{countText(first.tokens)} tokens</span>
            <span>{costText(first.cost_usd, first.calls > 0)}</span>
            <span>since {momentText(first.first_at)}</span>
          </p>
        )}
        <ListFrame list={list} count={turns.length} more="Later turns">
          <ol aria-label="Turns" className="flex flex-col">
            {turns.map((turn) => (
              <TurnBox key={`${turn.task}/${turn.trajectory_id}`} collection={collection} turn={turn} />
            ))}
          </ol>
        </ListFrame>
      </div>
    </main>
  )
}
