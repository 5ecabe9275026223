import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { useLiveRun } from '../../data/live-run.ts'
import type { RunAddress } from '../../data/run.ts'
import { runQuery } from '../../data/run-query.ts'
import { useTitle } from '../../data/title.ts'
import { Problem } from '../../parts/problem.tsx'
import { RunBody } from './run-body.tsx'

/** One run: what failed, where the time went, what each step read and made. */
export const RunPage = () => {
  const { collection = '', task = '', id = '' } = useParams({ strict: false })
  return <RunAt key={`${collection}/${task}/${id}`} place={{ collection, task, id }} />
}

const RunAt = ({ place }: { place: RunAddress }) => {
  const { data: run, error, refetch } = useQuery(runQuery(place))
  useLiveRun(place, run)
  useTitle(place.id, place.task, place.collection)
  if (error && !run) return <Problem error={error} onRetry={() => void refetch()} />
  if (!run) return <main aria-busy className="p-4 text-muted" />
  return <RunBody place={place} run={run} />
}
