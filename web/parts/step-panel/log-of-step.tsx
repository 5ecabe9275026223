import type { Run, RunAddress } from '../../data/run.ts'
import { useStepLog } from '../../data/run-log.ts'
import { Log } from '../log/log.tsx'
import { Problem } from '../problem.tsx'

/** The log of one step. */
export const LogOfStep = ({ run, place, step }: { run: Run; place: RunAddress; step: string }) => {
  const { data, error, refetch } = useStepLog(place, run, step)
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  return <Log events={data.events} note={data.next_cursor === null ? undefined : 'the first 5,000 lines'} />
}
