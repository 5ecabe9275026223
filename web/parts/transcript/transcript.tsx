import { useMemo, useState } from 'react'
import type { RunAddress } from '../../data/run.ts'
import { useTranscript } from '../../data/transcript.ts'
import { usdText } from '../../text/cost.ts'
import { countText } from '../../text/count.ts'
import { durationText } from '../../text/duration.ts'
import { Button } from '../../ui/button.tsx'
import { Checkbox, TextField } from '../../ui/field.tsx'
import { StatusMark } from '../../ui/status.tsx'
import { Problem } from '../problem.tsx'
import { type EntryFilter, type PhaseSpan, phasesOf, shownEntries, type Transcript, transcriptOf } from './entries.ts'
import { EntryList } from './entry-list.tsx'

const names: Record<PhaseSpan['phase'], string> = {
  waiting: 'waiting',
  preparing: 'preparing',
  working: 'working',
  collecting: 'collecting files',
  verifying: 'verifying',
  repairing: 'repairing',
  finished: 'finished',
}

/** The phases of a runbook, one after the other; each leads to its place in the transcript. */
const PhaseBar = ({
  phases,
  isOpen,
  onChoose,
}: {
  phases: readonly PhaseSpan[]
  isOpen: boolean
  onChoose: (n: number) => void
}) => (
  <ol aria-label="Phases" className="flex flex-wrap items-center gap-x-1 gap-y-1 px-4 py-2">
    {phases.map(({ n, phase, from, to, isBad }, at) => {
      const isLast = at === phases.length - 1
      const state = isBad ? 'failed' : isLast && isOpen ? 'running' : 'completed'
      return (
        <li key={n} className="flex items-center gap-1">
          {at > 0 && <span aria-hidden className="h-px w-3 bg-line" />}
          <button
            type="button"
            onClick={() => onChoose(n)}
            className="inline-flex h-6 items-center gap-1.5 rounded-s px-1.5 hover:bg-sunk"
          >
            <StatusMark of={state} label={state} />
            {names[phase]}
            {to !== undefined && to - from >= 100 && (
              <span className="text-11 text-faint">{durationText((to - from) / 1000)}</span>
            )}
          </button>
        </li>
      )
    })}
  </ol>
)

interface TranscriptProps {
  place: RunAddress
  workflowId: string
  step: string
  /** When the step ended; null while it runs. */
  ended: string | null
}

/** What a coding agent did in a step: phases, messages and tool calls, while it goes on and afterwards. */
export const TranscriptView = ({ place, workflowId, step, ended }: TranscriptProps) => {
  const { data, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useTranscript(
    place,
    workflowId,
    step,
  )
  const [filter, setFilter] = useState<EntryFilter>({ errorsOnly: false, toolsOnly: false, text: '' })
  const [isFollowing, setFollowing] = useState(ended === null)
  const [target, setTarget] = useState<{ n: number }>()
  const transcript = useMemo(
    () => transcriptOf((data?.pages ?? []).toReversed().flatMap(({ events }) => events)),
    [data],
  )
  const shown = useMemo(() => shownEntries(transcript.entries, filter), [transcript, filter])
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  const older = () => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage()
  }
  return (
    <div className="flex h-full min-h-0 flex-1 flex-col">
      <PhaseBar
        phases={phasesOf(transcript.entries, ended === null ? undefined : Date.parse(ended))}
        isOpen={ended === null}
        onChoose={(n) => {
          setFollowing(false)
          setFilter({ errorsOnly: false, toolsOnly: false, text: '' })
          setTarget({ n })
        }}
      />
      <Tools transcript={transcript} shown={shown.length} filter={filter} onFilter={setFilter} />
      {hasNextPage && (
        <Button look="quiet" icon="up" disabled={isFetchingNextPage} onClick={older} className="self-center">
          {isFetchingNextPage ? 'Loading…' : 'Load what came before'}
        </Button>
      )}
      {shown.length === 0 && <p className="p-4 text-muted">{emptyText(transcript, ended)}</p>}
      <EntryList entries={shown} isFollowing={isFollowing} onFollow={setFollowing} target={target} onStart={older} />
      {!isFollowing && ended === null && (
        <Button icon="down" onClick={() => setFollowing(true)} className="m-2 self-center">
          Follow
        </Button>
      )}
    </div>
  )
}

const emptyText = ({ entries }: Transcript, ended: string | null): string => {
  if (entries.length > 0) return 'Nothing of the transcript fits. Clear the search.'
  return ended === null ? 'The agent has not begun.' : 'The agent did nothing that is recorded.'
}

interface ToolsProps {
  transcript: Transcript
  shown: number
  filter: EntryFilter
  onFilter: (filter: EntryFilter) => void
}

const Tools = ({ transcript, shown, filter, onFilter }: ToolsProps) => {
  const { entries, calls, tokens, cost } = transcript
  const used =
    calls === 0 ? undefined : `${countText(calls)} calls · ${countText(tokens)} tokens · ${usdText(cost ?? null)}`
  return (
    <div className="flex flex-wrap items-center gap-3 border-line border-y px-4 py-1.5">
      <TextField
        label="Search the transcript"
        hidesLabel
        placeholder="Search"
        value={filter.text}
        onChange={(event) => onFilter({ ...filter, text: event.target.value })}
        boxClass="w-44 max-sm:flex-1"
      />
      <Checkbox
        label="errors"
        checked={filter.errorsOnly}
        onChange={(event) => onFilter({ ...filter, errorsOnly: event.target.checked })}
      />
      <Checkbox
        label="tools"
        checked={filter.toolsOnly}
        onChange={(event) => onFilter({ ...filter, toolsOnly: event.target.checked })}
      />
      <span className="ml-auto text-12 text-muted">
        {shown === entries.length ? '' : `${countText(shown)} of ${countText(entries.length)} · `}
        {used}
      </span>
    </div>
  )
}
