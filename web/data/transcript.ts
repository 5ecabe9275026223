import { type QueryClient, useInfiniteQuery } from '@tanstack/react-query'
import type { LogEvent } from '../../src/model/runs/run-events.ts'
import { agentEventTypes } from './agent-event-types.ts'
import { api } from './api.ts'
import type { RunAddress } from './run.ts'

const partSize = 1_000

interface TranscriptPart {
  /** Oldest first. */
  events: LogEvent[]
  /** Leads to the part before; null for none. */
  before: string | null
}

interface TranscriptPages {
  pages: TranscriptPart[]
  pageParams: unknown[]
}

const transcriptKey = ({ collection, task, id }: RunAddress, step: string) => ['transcript', collection, task, id, step]

/** Loads what the agent of a step did, its end first; `fetchNextPage` loads what came before. */
export const useTranscript = (place: RunAddress, workflowId: string, step: string) =>
  useInfiniteQuery({
    queryKey: transcriptKey(place, step),
    queryFn: async ({ pageParam, signal }): Promise<TranscriptPart> => {
      const query = {
        order: 'desc' as const,
        step,
        type: agentEventTypes,
        limit: partSize,
        ...(pageParam === '' ? {} : { cursor: pageParam }),
      }
      const { events, next_cursor } = await api.getWorkflowLogs({ params: { workflow_id: workflowId }, query, signal })
      return { events: events.reverse(), before: next_cursor }
    },
    initialPageParam: '',
    getNextPageParam: ({ before }) => before,
    staleTime: Number.POSITIVE_INFINITY,
  })

/** Adds events of a stream to the transcripts that are loaded. */
export const addToTranscripts = (client: QueryClient, place: RunAddress, events: readonly LogEvent[]): void => {
  const bySteps = new Map<string, LogEvent[]>()
  for (const event of events) {
    if (event.step === null || typeof event.attributes.n !== 'number') continue
    const added = bySteps.get(event.step)
    if (added) added.push(event)
    else bySteps.set(event.step, [event])
  }
  for (const [step, added] of bySteps) {
    client.setQueryData<TranscriptPages>(transcriptKey(place, step), (known) => known && withAdded(known, added))
  }
}

const withAdded = (known: TranscriptPages, added: LogEvent[]): TranscriptPages => {
  const [newest, ...older] = known.pages
  if (!newest) return known
  const last = Number(newest.events.at(-1)?.attributes.n ?? -1)
  const fresh = added.filter(({ attributes }) => Number(attributes.n) > last)
  return fresh.length === 0
    ? known
    : { ...known, pages: [{ ...newest, events: [...newest.events, ...fresh] }, ...older] }
}
