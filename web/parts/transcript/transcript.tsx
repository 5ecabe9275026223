import { useCallback, useEffect, useEffectEvent, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { unevenRows, useRowsAt } from '../../data/rows.ts'
import type { RunAddress } from '../../data/run.ts'
import { useTranscript } from '../../data/transcript.ts'
import { countText, usdText } from '../../text/numbers.ts'
import { clockText, durationText, momentText } from '../../text/times.ts'
import { Button } from '../../ui/button.tsx'
import { Checkbox, TextField } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { StatusMark } from '../../ui/status.tsx'
import { JsonTree } from '../json-tree/json-tree.tsx'
import { Problem } from '../problem.tsx'
import { TextView } from '../text-view/text-view.tsx'
import {
  type EntryFilter,
  type PhaseSpan,
  phasesOf,
  shownEntries,
  type Transcript,
  type TranscriptEntry,
  transcriptOf,
} from './entries.ts'

interface EntryRowProps {
  entry: TranscriptEntry
  isOpen: boolean
  onToggle: () => void
}

/** One entry: a tool call is one line until it is opened. */
const EntryRow = ({ entry, isOpen, onToggle }: EntryRowProps) => (
  <div className="flex items-start gap-3 px-4 py-1">
    <time
      dateTime={new Date(entry.at).toISOString()}
      title={momentText(entry.at)}
      className="w-16 shrink-0 font-mono text-11 text-faint leading-5"
    >
      {clockText(entry.at)}
    </time>
    <div className="min-w-0 flex-1">
      <Body entry={entry} isOpen={isOpen} onToggle={onToggle} />
    </div>
  </div>
)

/** Roles of what programs print, such as a check that failed: nobody wrote it as Markdown. */
const printedBy: ReadonlySet<string> = new Set(['stdout', 'stderr'])

const Body = ({ entry, isOpen, onToggle }: EntryRowProps) => {
  switch (entry.kind) {
    case 'tool':
      return <ToolBody entry={entry} isOpen={isOpen} onToggle={onToggle} />
    case 'message':
      return (
        <div className={entry.role === 'assistant' ? '' : 'border-line border-l-2 pl-3 text-muted'}>
          <TextView text={entry.text} isProse={!printedBy.has(entry.role)} />
        </div>
      )
    case 'phase':
      return (
        <p className="font-medium text-12 text-muted">
          {entry.phase}
          {entry.text === '' || entry.text === entry.phase ? '' : ` · ${entry.text}`}
        </p>
      )
    case 'end':
      return <Marked state={entry.isOk ? 'completed' : 'failed'} text={`The agent ended: ${entry.text}`} />
    default:
      return (
        <Marked
          state={entry.kind === 'error' ? 'failed' : 'waiting'}
          text={entry.text}
          isBad={entry.kind === 'error'}
        />
      )
  }
}

const Marked = ({ state, text, isBad = false }: { state: string; text: string; isBad?: boolean }) => (
  <div className="flex items-start gap-2">
    <StatusMark of={state} label={state} className="mt-0.5" />
    <div className={`min-w-0 flex-1 ${isBad ? 'text-bad' : ''}`}>
      <TextView text={text} />
    </div>
  </div>
)

const ToolBody = ({ entry, isOpen, onToggle }: EntryRowProps & { entry: TranscriptEntry & { kind: 'tool' } }) => {
  const { line, input, result } = entry
  const state = result === undefined ? 'running' : result.isError ? 'failed' : 'completed'
  const words = { running: 'no result yet', failed: 'failed', completed: 'succeeded' }
  return (
    <div className={isOpen ? 'rounded-m border border-line' : ''}>
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={onToggle}
        className="flex w-full items-center gap-2 rounded-m px-1 text-left hover:bg-sunk"
      >
        <Icon name={isOpen ? 'down' : 'right'} className="text-faint" />
        <span className="min-w-0 flex-1 truncate font-mono text-12">{line}</span>
        {result && result.at - entry.at >= 10 && (
          <span className="shrink-0 text-11 text-faint">{durationText((result.at - entry.at) / 1000)}</span>
        )}
        <StatusMark of={state} label={words[state]} />
      </button>
      {isOpen && (
        <div className="flex flex-col gap-3 border-line border-t p-2">
          {input !== undefined && <JsonTree value={input} path="" label="input" />}
          {result && (
            <section aria-label="result" className={result.isError ? 'text-bad' : ''}>
              {result.output === '' ? <p className="text-faint">no output</p> : <TextView text={result.output} />}
            </section>
          )}
        </div>
      )}
    </div>
  )
}

/** Height of a line that was not drawn yet, in px. */
const expectedHeight = 28
/** Closer to the end than this, the list goes on following. */
const endPx = 60

interface EntryListProps {
  entries: readonly TranscriptEntry[]
  /** Stays at the end while entries come. */
  isFollowing: boolean
  onFollow: (isFollowing: boolean) => void
  /** Number of the entry to show; another object shows it again. */
  target: { n: number } | undefined
  onStart: () => void
}

/** The entries in view, each as high as it is. */
const EntryList = ({ entries, isFollowing, onFollow, target, onStart }: EntryListProps) => {
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set())
  const [heights, measure] = useHeights()
  const places = useMemo(() => unevenRows(entries.map(({ n }) => heights.get(n) ?? expectedHeight)), [entries, heights])
  const { box, node, first, last, total, topOf } = useRowsAt(places)

  useLayoutEffect(() => {
    if (node && isFollowing && total > 0) node.scrollTop = node.scrollHeight
  }, [node, isFollowing, total])
  // What is in view stays there when older entries come in above it.
  const top = useRef<number>(undefined)
  useLayoutEffect(() => {
    const before = top.current
    top.current = entries[0]?.n
    const added = before === undefined ? -1 : entries.findIndex(({ n }) => n === before)
    if (node && added > 0 && !isFollowing) node.scrollTop += places.topOf(added)
  }, [node, entries, places, isFollowing])
  const show = useEffectEvent((box: HTMLElement, number: number) => {
    const at = entries.findIndex(({ n }) => n === number)
    if (at >= 0) box.scrollTop = topOf(at)
  })
  useEffect(() => {
    if (node && target) show(node, target.n)
  }, [node, target])

  const toggle = (n: number) =>
    setOpen((was) => {
      const next = new Set(was)
      if (!next.delete(n)) next.add(n)
      return next
    })
  return (
    <div
      ref={box}
      role="log"
      aria-label="Transcript"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by keyboard
      tabIndex={0}
      onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
        onFollow(scrollTop + clientHeight >= scrollHeight - endPx)
        if (scrollTop < endPx) onStart()
      }}
      className="min-h-0 flex-1 overflow-auto [overflow-anchor:none]"
    >
      <div className="relative" style={{ height: total }}>
        {entries.slice(first, last).map((entry, at) => (
          <div
            key={entry.n}
            ref={(row) => measure(entry.n, row)}
            className="absolute inset-x-0"
            style={{ top: topOf(first + at) }}
          >
            <EntryRow entry={entry} isOpen={open.has(entry.n)} onToggle={() => toggle(entry.n)} />
          </div>
        ))}
      </div>
    </div>
  )
}

/** Measures rows while they are drawn. */
const useHeights = (): [
  ReadonlyMap<number, number>,
  (n: number, row: HTMLElement | null) => (() => void) | undefined,
] => {
  const [heights, setHeights] = useState<ReadonlyMap<number, number>>(new Map())
  const numbers = useRef(new WeakMap<Element, number>())
  const [watch] = useState(
    () =>
      new ResizeObserver((seen) => {
        setHeights((was) => {
          const next = new Map(was)
          for (const { target } of seen) {
            const n = numbers.current.get(target)
            if (n !== undefined && target.isConnected) next.set(n, target.getBoundingClientRect().height)
          }
          return [...next].some(([n, height]) => was.get(n) !== height) ? next : was
        })
      }),
  )
  useEffect(() => () => watch.disconnect(), [watch])
  const measure = useCallback(
    (n: number, row: HTMLElement | null) => {
      if (!row) return undefined
      numbers.current.set(row, n)
      watch.observe(row)
      return () => watch.unobserve(row)
    },
    [watch],
  )
  return [heights, measure]
}

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
  const used = calls === 0 ? undefined : `${countText(calls)} calls · ${countText(tokens)} tokens · ${usdText(cost)}`
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
