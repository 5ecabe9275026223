import { useEffect, useEffectEvent, useRef } from 'react'
import type { CollectionNews } from '../../data/live-collection.ts'

/**
 * Keeps the news that come while a list is read, and merges them once more after the read: its answer may be older, and
 * a further page brings those before it back as they were when it was asked for.
 */
export const useMissedNews = (
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
