import { type InfiniteData, useInfiniteQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useEffectEvent, useMemo, useRef, useState } from 'react'
import type { contract } from '../../../src/api/contract.ts'
import type { EndpointOutput } from '../../../src/client/client.ts'
import type { CollectionRun } from '../../../src/model/runs/collection-run.ts'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { type CollectionNews, useLiveCollection } from '../../data/live-collection.ts'
import { paged } from '../../data/paged.ts'
import { listQuery, type RunFilters } from '../../parts/filters/run-filters.ts'
import { mayBelong, mergeNews, runKey } from './merge-news.ts'

/**
 * Keeps the news that come while a list is read, and merges them once more after the read: its answer may be older, and
 * a further page brings those before it back as they were when it was asked for.
 */
const useMissedNews = (
  of: string,
  { isFetching, dataUpdatedAt }: { isFetching: boolean; dataUpdatedAt: number },
  merge: (news: readonly CollectionNews[]) => void,
) => {
  const missed = useRef<{ of: string; news: CollectionNews[] }>({ of, news: [] })
  const mergeNow = useEffectEvent(merge)
  // biome-ignore lint/correctness/useExhaustiveDependencies: a quick read may be over before the page was rendered during it
  useEffect(() => {
    if (isFetching) return
    const { news } = missed.current
    const isOfList = missed.current.of === of
    missed.current = { of, news: [] }
    if (isOfList && news.length > 0) mergeNow(news)
  }, [of, isFetching, dataUpdatedAt])
  return (news: readonly CollectionNews[]): void => {
    if (missed.current.of !== of) missed.current = { of, news: [] }
    missed.current.news.push(...news)
  }
}

type RunPage = EndpointOutput<(typeof contract)['listCollectionRuns']>

const pageSize = 50
/** Pages that a search loads by itself, half a second each, until it asks whether to go on. */
const pagesAtOnce = 60

/** The runs of a list, page after page, and what changes in them. */
export const useRuns = (collection: string, filters: RunFilters) => {
  const client = useQueryClient()
  const queryKey = keys.runs(collection, undefined, filters)
  const [unseen, setUnseen] = useState<{ of: string; keys: ReadonlySet<string> }>({ of: '', keys: new Set() })
  const of = JSON.stringify(queryKey)
  const [allowed, setAllowed] = useState({ of, pages: pagesAtOnce })

  const list = useInfiniteQuery({
    queryKey,
    ...paged((page, signal) =>
      api.listCollectionRuns({
        params: { collection },
        query: { ...(listQuery(filters, Date.now()) as object), ...page, limit: pageSize },
        signal,
      }),
    ),
    staleTime: 30_000,
  })

  const reload = () => {
    setUnseen({ of, keys: new Set() })
    setAllowed({ of, pages: pagesAtOnce })
    // Only the first page: the rows below it are still where they were, but no longer those that come next.
    client.setQueryData<InfiniteData<RunPage>>(queryKey, (was) => was && firstPage(was))
    return client.invalidateQueries({ queryKey })
  }

  const merge = (news: readonly CollectionNews[]): void => {
    const was = client.getQueryData<InfiniteData<RunPage>>(queryKey)
    if (!was) return
    const merged = mergeNews(was.pages, news)
    if (merged.pages.some((page, at) => page !== was.pages[at])) {
      client.setQueryData<InfiniteData<RunPage>>(queryKey, { ...was, pages: merged.pages })
    }
    const query = listQuery(filters, Date.now())
    const found = merged.unseen.filter((run) => mayBelong(run, query)).map(runKey)
    if (found.length === 0) return
    if (was.pages.every(({ runs }) => runs.length === 0)) return void reload()
    setUnseen((before) => ({ of, keys: new Set([...(before.of === of ? before.keys : []), ...found]) }))
  }
  const miss = useMissedNews(of, list, merge)

  useLiveCollection(collection, {
    onNews: (news) => {
      if (client.isFetching({ queryKey, exact: true }) > 0) miss(news)
      merge(news)
    },
    onGap: () => void reload(),
    isOn: list.isSuccess,
  })

  const pages = list.data?.pages
  const runs = useMemo(() => pages?.flatMap((page) => page.runs) ?? [], [pages])
  const last = pages?.at(-1)
  const loaded = pages?.length ?? 0
  const isFull = last !== undefined && last.runs.length === pageSize
  const isPaused = !isFull && loaded >= (allowed.of === of ? allowed.pages : pagesAtOnce)
  return {
    runs,
    error: list.error,
    isLoading: list.isPending,
    isLoadingMore: list.isFetchingNextPage,
    hasMore: list.hasNextPage,
    /** The page was not full: the server looks for runs that fit. It goes on by itself unless it is paused. */
    isSearch: last !== undefined && !isFull,
    isPaused,
    pause: () => setAllowed({ of, pages: 0 }),
    resume: () => setAllowed({ of, pages: loaded + pagesAtOnce }),
    lookedUntil: last?.looked_until ?? null,
    newRuns: unseen.of === of ? countUnlisted(unseen.keys, runs) : 0,
    more: () => void list.fetchNextPage(),
    reload: () => void reload(),
  }
}

export type RunList = ReturnType<typeof useRuns>

/** News may come while a reload is under way that has their runs already. */
const countUnlisted = (keys: ReadonlySet<string>, runs: readonly CollectionRun[]): number =>
  keys.size === 0 ? 0 : new Set([...keys].filter((key) => !runs.some((run) => runKey(run) === key))).size

const firstPage = <Page, Param>({ pages, pageParams }: InfiniteData<Page, Param>): InfiniteData<Page, Param> => ({
  pages: pages.slice(0, 1),
  pageParams: pageParams.slice(0, 1),
})
