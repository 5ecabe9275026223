import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { api } from '../../data/api.ts'
import { isOpen, type RunAddress, type RunStep } from '../../data/run.ts'
import { agoText } from '../../text/ago.ts'
import { durationText } from '../../text/duration.ts'
import { Button } from '../../ui/button.tsx'
import { Checkbox } from '../../ui/field.tsx'
import { StatusMark, statusWord } from '../../ui/status.tsx'
import { Problem } from '../problem.tsx'

const pageSize = 50

/** Whether a run was started by that step: the list has those of all steps of the parent. */
const isOf = ({ parent }: Record<string, unknown>, step: string): boolean =>
  typeof parent !== 'object' || parent === null || !('step' in parent) || parent.step === step

/** The runs that a step started. */
export const RunsOfStep = ({ place, step }: { place: RunAddress; step: RunStep }) => {
  const { progress } = step
  const [isFailedOnly, setFailedOnly] = useState(false)
  const { data, error, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ['children', place.collection, place.id, step.status, progress?.ended, isFailedOnly],
    queryFn: ({ pageParam, signal }) =>
      api.listCollectionRuns({
        params: { collection: place.collection },
        query: {
          parent_id: place.id,
          limit: pageSize,
          cursor: pageParam,
          ...(isFailedOnly ? { status: ['failed'] } : {}),
        },
        signal,
      }),
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  })
  if (error) return <Problem error={error} />
  if (!data) return <p className="text-muted">Loading…</p>
  const runs = data.pages.flatMap((page) => page.runs).filter(({ params }) => isOf(params, step.key))
  return (
    <div className="flex flex-col gap-2">
      {progress && (
        <p>
          {progress.ended} of {progress.total ?? 'an unknown number of'} runs ended: {progress.completed} completed,{' '}
          {progress.failed} failed, {progress.cancelled} cancelled.
        </p>
      )}
      <Checkbox
        label="only failed runs"
        checked={isFailedOnly}
        onChange={(event) => setFailedOnly(event.target.checked)}
      />
      {runs.length === 0 && (
        <p className="text-muted">
          {isFailedOnly
            ? 'None of them failed.'
            : isOpen(step)
              ? 'No run has begun yet.'
              : 'There are no runs any more.'}
        </p>
      )}
      <ul>
        {runs.map((run) => (
          <li key={run.trajectory_id}>
            <Link
              to="/$collection/$task/$id"
              params={{ collection: place.collection, task: run.task, id: run.trajectory_id }}
              className="grid grid-cols-[1rem_5.5rem_minmax(0,1fr)_5rem_4rem] items-center gap-2 rounded-s px-1 py-1 hover:bg-sunk"
            >
              <StatusMark of={run.waiting ? 'waiting' : run.status} label={statusWord(run.status)} />
              <span className="truncate font-mono text-12">{run.trajectory_id}</span>
              <span className="truncate text-12 text-bad">{run.error ?? ''}</span>
              <span className="truncate text-12 text-muted">{agoText(run.created, Date.now())}</span>
              <span className="text-right text-12 text-muted">{durationText(run.duration_seconds)}</span>
            </Link>
          </li>
        ))}
      </ul>
      {hasNextPage && (
        <span>
          <Button disabled={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            Show more
          </Button>
        </span>
      )}
    </div>
  )
}
