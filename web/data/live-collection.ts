import { useQueryClient } from '@tanstack/react-query'
import type { CollectionRun } from '../../src/model/runs/collection-run.ts'
import { api } from './api.ts'
import { keys } from './keys.ts'
import { useStream } from './stream.ts'

/** What happened in a collection: a run changed, and its row in lists with it; or retention removed runs. */
export type CollectionNews =
  | { kind: 'run'; run: CollectionRun }
  | { kind: 'removed'; runs: Pick<CollectionRun, 'task' | 'trajectory_id'>[] }

/** Follows all runs of a collection; `onNews` takes what came within one frame, in order. */
export const useLiveCollection = (collection: string, onNews: (news: CollectionNews[]) => void, isOn = true): void => {
  const client = useQueryClient()
  useStream({
    of: `collection ${collection}`,
    onGap: () => {
      void client.invalidateQueries({ queryKey: keys.runs(collection) })
      void client.invalidateQueries({ queryKey: keys.tasks(collection) })
    },
    open: (headers, signal) => api.watchCollection({ params: { collection }, headers, signal }),
    onEvents: (events) => {
      const news = events.flatMap(({ event, data }): CollectionNews[] => {
        if (event === 'run') return [{ kind: 'run', run: data as CollectionRun }]
        return event === 'removed' ? [{ kind: 'removed', ...(data as { runs: CollectionRun[] }) }] : []
      })
      if (news.length > 0) onNews(news)
    },
    isOn,
  })
}
