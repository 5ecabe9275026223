import { type QueryKey, useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import type { CollectionRun } from '../../../src/model/runs/collection-run.ts'
import { api } from '../../data/api.ts'
import { useNow } from '../../data/clock.ts'
import { paged } from '../../data/paged.ts'
import { refreshSoon } from '../../data/refresh-soon.ts'
import { isOpen, isOpen as isRunOpen, type RunAddress, type RunStep, stepsInOrder } from '../../data/run.ts'
import { runQuery } from '../../data/run-query.ts'
import { countText } from '../../text/numbers.ts'
import { durationText } from '../../text/times.ts'
import { Button, IconButton } from '../../ui/button.tsx'
import { SelectField } from '../../ui/field.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { ShareBar } from '../chart/share-bar.tsx'
import { plainText } from '../log/plain-text.ts'
import { Problem } from '../problem.tsx'
import { statusOfRun } from '../status-of-run.ts'
import { statusOfStep } from '../status-of-step.ts'
import { Bar, type Stretch, stretchesOf } from '../timeline/bar.tsx'
import { makeTimeScale, type Span, type TimeScale } from '../timeline/time-scale.ts'

type Timed = Pick<CollectionRun, 'status' | 'created' | 'started' | 'ended'>

/** How the runs that a step started are listed. */
const childOrders = [
  ['failed', 'failed first'],
  ['slowest', 'slowest first'],
  ['newest', 'newest first'],
] as const
type ChildOrder = (typeof childOrders)[number][0]

/** When a run waited for its turn, and when it worked. */
export const stretchesOfRun = ({ created, started, ended }: Timed, now: number): Stretch[] => {
  const from = Date.parse(created)
  const to = ended === null ? Math.max(now, from) : Date.parse(ended)
  const begun = started === null ? to : Date.parse(started)
  return [
    ...(begun > from ? [{ kind: 'wait' as const, from, to: begun }] : []),
    ...(started === null ? [] : [{ kind: 'execute' as const, from: begun, to }]),
  ]
}

const workedMs = (run: Timed, now: number): number =>
  stretchesOfRun(run, now)
    .filter(({ kind }) => kind === 'execute')
    .reduce((sum, { from, to }) => sum + to - from, 0)

const ranks: Partial<Record<string, number>> = { failed: 0, running: 1, pending: 1 }

/** Sorts runs. `failed`: what failed, then what is at work, then the slowest. Lists come with the newest first. */
export const inOrder = <Run extends Timed>(runs: readonly Run[], order: ChildOrder, now: number): Run[] => {
  if (order === 'newest') return [...runs]
  const rank = ({ status }: Timed) => (order === 'failed' ? (ranks[status] ?? 2) : 0)
  return [...runs].sort((one, other) => rank(one) - rank(other) || workedMs(other, now) - workedMs(one, now))
}

/** From the first to the last moment of runs; an open one lasts until now. */
export const spanOfRuns = (runs: readonly Timed[], now: number): Span => {
  const begun = runs.map(({ created }) => Date.parse(created))
  const ended = runs.map((run) => (isOpen(run) || run.ended === null ? now : Date.parse(run.ended)))
  const from = begun.length === 0 ? now : Math.min(...begun)
  return { from, to: Math.max(from, ...ended) }
}

type Previewed = Pick<CollectionRun, 'trajectory_id' | 'input_preview' | 'labels'>

/** What stands between the members of a preview. */
const between = ' · '

/** What tells runs apart, by their id: the parts of their input that not all of them have, and their labels. */
export const distinctTexts = (runs: readonly Previewed[]): ReadonlyMap<string, string> => {
  const partsOf = ({ input_preview: preview, labels }: Previewed): string[] => [
    ...(preview === null ? [] : preview.split(between)),
    ...labels.map(({ key, value }) => (value === '' ? key : `${key}: ${value}`)),
  ]
  const counts = new Map<string, number>()
  for (const run of runs) for (const part of new Set(partsOf(run))) counts.set(part, (counts.get(part) ?? 0) + 1)
  const isShared = (part: string) => runs.length > 1 && counts.get(part) === runs.length
  return new Map(
    runs.map((run) => {
      const parts = partsOf(run).filter((part) => !isShared(part))
      return [run.trajectory_id, plainText(parts.join(between))]
    }),
  )
}

/** Columns: what opens it, status, name, bar, duration. */
const grid = 'grid grid-cols-[1.75rem_1rem_minmax(6rem,1.6fr)_minmax(0,1fr)_4rem] items-center gap-2'

/** How many steps of a run are shown; its own page shows all. */
const mostSteps = 100
const readAgainMs = 2_000

interface ChildLineProps {
  run: CollectionRun
  /** What tells it from the others. */
  text: string
  scale: TimeScale
  now: number
  isOpen: boolean
  onToggle: () => void
}

/** A run on the time scale of the step that started it; opened, its steps follow on the same scale. */
const ChildLine = ({ run, text, scale, now, isOpen, onToggle }: ChildLineProps) => {
  const { collection, task, trajectory_id: id } = run
  const status = statusOfRun(run)
  return (
    <li>
      <div className={`${grid} h-7 rounded-s hover:bg-sunk`}>
        <IconButton
          icon={isOpen ? 'down' : 'right'}
          label={`Steps of ${text || id}`}
          aria-expanded={isOpen}
          onClick={onToggle}
        />
        <StatusMark of={status} label={statusWord(status)} />
        <Link
          to="/$collection/$task/$id"
          params={{ collection, task, id }}
          title={[text, id].filter(Boolean).join(' · ')}
          className="truncate text-12 text-accent"
        >
          {text !== '' && <span className="mr-2">{text}</span>}
          <span className={`font-mono ${text === '' ? '' : 'text-faint'}`}>{id}</span>
        </Link>
        <span className="relative h-full">
          <Bar stretches={stretchesOfRun(run, now)} scale={scale} status={status} />
        </span>
        <span className="text-right text-12 text-muted">{durationText(run.duration_seconds)}</span>
      </div>
      {run.error !== null && (
        <p className="truncate pl-13 text-12 text-bad" title={run.error}>
          {run.error}
        </p>
      )}
      {isOpen && <StepsOfChild run={run} scale={scale} now={now} />}
    </li>
  )
}

const StepsOfChild = ({ run, scale, now }: Pick<ChildLineProps, 'run' | 'scale' | 'now'>) => {
  const { collection, task, trajectory_id: id, status } = run
  const place = { collection, task, id }
  const { queryKey, queryFn } = runQuery(place)
  // The list tells when the run goes on: another status reads its steps once more.
  const { data, error, refetch } = useQuery({
    queryKey: [...queryKey, 'child', status],
    queryFn,
    gcTime: 60_000,
    refetchInterval: isRunOpen(run) ? readAgainMs : false,
  })
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="pl-13 text-12 text-muted">Loading…</p>
  const steps = stepsInOrder(data)
  return (
    <ul className="mb-1 border-line border-l pl-2" aria-label={`Steps of ${id}`}>
      {steps.slice(0, mostSteps).map((step) => (
        <li key={step.key} className={`${grid} h-7`}>
          <span />
          <StatusMark of={statusOfStep(step)} label={statusWord(statusOfStep(step))} />
          <Link
            to="/$collection/$task/$id"
            params={place}
            search={{ step: step.key } as never}
            className="truncate text-12 hover:underline"
          >
            {step.key}
          </Link>
          <span className="relative h-full">
            <Bar stretches={stretchesOf(step, now)} scale={scale} status={step.status} />
          </span>
          <span className="text-right text-12 text-muted">{durationText(step.duration_seconds)}</span>
        </li>
      ))}
      {steps.length > mostSteps && (
        <li className="pl-9 text-12 text-muted">
          The first {mostSteps} of {countText(steps.length)} steps
        </li>
      )}
    </ul>
  )
}

const pageSize = 50
const mostFailed = 50

/** Whether a run was started by that step: the list has those of all steps of the parent. */
const isOf = ({ parent }: Record<string, unknown>, step: string): boolean =>
  typeof parent !== 'object' || parent === null || !('step' in parent) || parent.step === step

const failedIn = (runs: readonly CollectionRun[]): number => runs.filter(({ status }) => status === 'failed').length

/** Reads queries again when something has changed, which in a busy run is often. */
const useReadAgain = (state: string, queryKey: QueryKey): void => {
  const client = useQueryClient()
  const read = useRef(state)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is new at each render
  useEffect(() => {
    if (read.current === state) return
    read.current = state
    refreshSoon(client, queryKey)
  }, [state])
}

/** Loads the runs of a step page by page, and the failed ones where the pages lack some of them. */
const useChildRuns = (place: RunAddress, { key, status, progress }: RunStep, order: ChildOrder) => {
  const base = ['children', place.collection, place.id, key]
  const params = { collection: place.collection }
  const pages = useInfiniteQuery({
    queryKey: base,
    ...paged((page, signal) =>
      api.listCollectionRuns({ params, query: { parent_id: place.id, limit: pageSize, ...page }, signal }),
    ),
  })
  useReadAgain(`${status} ${progress?.begun} ${progress?.ended}`, base)
  const loaded = (pages.data?.pages.flatMap((page) => page.runs) ?? []).filter(({ params }) => isOf(params, key))
  const failed = useQuery({
    queryKey: [...base, 'failed'],
    queryFn: ({ signal }) =>
      api.listCollectionRuns({
        params,
        query: { parent_id: place.id, status: ['failed'], limit: mostFailed },
        signal,
      }),
    enabled: order === 'failed' && pages.hasNextPage && (progress?.failed ?? mostFailed) > failedIn(loaded),
  })
  const known = new Set(loaded.map(({ trajectory_id: id }) => id))
  const others = (failed.data?.runs ?? []).filter((run) => !known.has(run.trajectory_id) && isOf(run.params, key))
  return { pages, runs: order === 'failed' ? [...others, ...loaded] : loaded }
}

/** The runs that a step started, on one time scale. */
export const RunsOfStep = ({ place, step }: { place: RunAddress; step: RunStep }) =>
  isOpen(step) ? (
    <TickingRuns place={place} step={step} />
  ) : (
    <RunsAt place={place} step={step} now={Date.parse(step.ended ?? step.created)} />
  )

const TickingRuns = (props: { place: RunAddress; step: RunStep }) => <RunsAt {...props} now={useNow()} />

const RunsAt = ({ place, step, now }: { place: RunAddress; step: RunStep; now: number }) => {
  const [order, setOrder] = useState<ChildOrder>('failed')
  const [opened, setOpened] = useState<ReadonlySet<string>>(new Set())
  const { pages, runs } = useChildRuns(place, step, order)
  if (pages.error && !pages.data) return <Problem error={pages.error} onRetry={() => void pages.refetch()} />
  if (!pages.data) return <p className="text-muted">Loading…</p>
  const span = spanOfRuns(runs, now)
  const texts = distinctTexts(runs)
  const scale = makeTimeScale(span, [span])
  const toggle = (id: string) =>
    setOpened((was) => {
      const next = new Set(was)
      if (!next.delete(id)) next.add(id)
      return next
    })
  return (
    <div className="flex flex-col gap-2">
      <Progress progress={step.progress ?? (pages.hasNextPage ? undefined : progressOf(runs))} />
      <SelectField
        label="Order"
        hidesLabel
        value={order}
        options={childOrders}
        className="max-w-40"
        onChange={(event) => setOrder(event.target.value as ChildOrder)}
      />
      {runs.length === 0 && (
        <p className="text-muted">{isOpen(step) ? 'No run has begun yet.' : 'There are no runs any more.'}</p>
      )}
      <ul aria-label="Runs">
        {inOrder(runs, order, now).map((run) => (
          <ChildLine
            key={run.trajectory_id}
            run={run}
            text={texts.get(run.trajectory_id) ?? ''}
            scale={scale}
            now={now}
            isOpen={opened.has(run.trajectory_id)}
            onToggle={() => toggle(run.trajectory_id)}
          />
        ))}
      </ul>
      {pages.hasNextPage && (
        <span>
          <Button disabled={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
            Show more
          </Button>
        </span>
      )}
    </div>
  )
}

type RunProgress = Omit<NonNullable<RunStep['progress']>, 'begun'>

/** What an ended step no longer says of its runs, where all of them are loaded. */
const progressOf = (runs: readonly CollectionRun[]): RunProgress => {
  const count = (wanted: string) => runs.filter(({ status }) => status === wanted).length
  const [completed, failed, cancelled] = [count('completed'), count('failed'), count('cancelled')]
  return { total: runs.length, ended: completed + failed + cancelled, completed, failed, cancelled }
}

const Progress = ({ progress }: { progress: RunProgress | undefined }) => {
  if (!progress) return null
  const { ended, total, completed, failed, cancelled } = progress
  const text = `${countText(ended)} of ${total === null ? 'an unknown number of' : countText(total)} runs ended: ${countText(completed)} completed, ${countText(failed)} failed, ${countText(cancelled)} cancelled.`
  return (
    <>
      <ShareBar
        label={text}
        total={total ?? ended}
        parts={[
          { name: 'completed', count: completed, fill: 'fill-ok' },
          { name: 'failed', count: failed, fill: 'fill-bad' },
          { name: 'cancelled', count: cancelled, fill: 'fill-idle' },
        ]}
      />
      <p>{text}</p>
    </>
  )
}
