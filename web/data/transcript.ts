import { type QueryClient, useInfiniteQuery } from '@tanstack/react-query'
import type { LogEvent } from '../../src/model/runs/run-events.ts'
import { api } from './api.ts'
import { noteEvents, readAndCatchUp } from './catch-up.ts'
import { keys } from './keys.ts'
import type { RunAddress } from './run.ts'

/** Types of log events that make up a transcript. */
export const agentEventTypes = [
  'agent_phase',
  'agent_message',
  'agent_tool_call',
  'agent_tool_result',
  'model_call',
  'agent_warning',
  'agent_error',
  'agent_end',
]

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

/** Loads what the agent of a step did, its end first; `fetchNextPage` loads what came before. */
export const useTranscript = (place: RunAddress, workflowId: string, step: string) =>
  useInfiniteQuery({
    queryKey: keys.transcripts(place, step),
    queryFn: ({ pageParam, queryKey, signal }): Promise<TranscriptPart> => {
      const asked = { order: 'desc' as const, step, type: agentEventTypes, limit: partSize }
      const params = { workflow_id: workflowId }
      const read = async (query: typeof asked & { cursor?: string }): Promise<TranscriptPart> => {
        const { events, next_cursor } = await api.getWorkflowLogs({ params, query, signal })
        return { events: events.reverse(), before: next_cursor }
      }
      return pageParam === ''
        ? readAndCatchUp(queryKey, () => read(asked), withEvents)
        : read({ ...asked, cursor: pageParam })
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
    const queryKey = keys.transcripts(place, step)
    noteEvents(queryKey, added)
    client.setQueryData<TranscriptPages>(queryKey, (known) => known && withNewest(known, added))
  }
}

const withNewest = (known: TranscriptPages, added: readonly LogEvent[]): TranscriptPages => {
  const [newest, ...older] = known.pages
  const next = newest && withEvents(newest, added)
  return next === undefined || next === newest ? known : { ...known, pages: [next, ...older] }
}

/** Adds events to the newest part of a transcript; it may have some of them. */
const withEvents = (part: TranscriptPart, added: readonly LogEvent[]): TranscriptPart => {
  const last = Number(part.events.at(-1)?.attributes.n ?? -1)
  const fresh = added.filter(({ attributes }) => Number(attributes.n) > last)
  return fresh.length === 0 ? part : { ...part, events: [...part.events, ...fresh] }
}
