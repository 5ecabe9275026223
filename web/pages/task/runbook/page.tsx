import { useQuery } from '@tanstack/react-query'
import { api } from '../../../data/api.ts'
import { keys } from '../../../data/keys.ts'
import { useTitle } from '../../../data/title.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Empty } from '../../../ui/empty.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { type ReadTask, useTask } from '../use-task.ts'
import { RunbookEditor } from './runbook-editor.tsx'
import { comesWithRun, type RunbookPlaces, runbookPlaces, textAt } from './runbook-places.ts'

/** The runbook of a task: its text, what is to mend in it, and a run from there. */
const RunbookTab = ({ collection, task }: TaskPlaceProps) => {
  useTitle('Runbook', task, collection)
  const { data, error, refetch } = useTask(collection, task)
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <main className="flex-1" />
  const places = runbookPlaces(data.task.workflow)
  if (!places) {
    return (
      <NoRunbook collection={collection} task={task} title="This task has no runbook">
        A runbook is the instruction of a step with the activity <code>runbook</code>, or a parameter that such a step
        reads.
      </NoRunbook>
    )
  }
  const isStored = textAt(data.task.workflow, places.instruction) !== '' || !comesWithRun(places.instruction)
  const Tab = isStored ? RunbookEditor : RunbookOfLastRun
  return <Tab collection={collection} task={task} read={data} places={places} />
}

interface RunbookOfLastRunProps extends TaskPlaceProps {
  read: ReadTask
  places: RunbookPlaces
}

/** Opens the runbook that the last run brought: the task stores none, as after `jetty runbook run --remote`. */
const RunbookOfLastRun = ({ collection, task, read, places }: RunbookOfLastRunProps) => {
  const { data, error, refetch } = useQuery({
    queryKey: keys.runs(collection, task, 'runbook of the last run'),
    queryFn: ({ signal }) => api.listTrajectories({ params: { collection, task }, query: { limit: 1 }, signal }),
    staleTime: Number.POSITIVE_INFINITY, // a new run must not replace what somebody edits
  })
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <main className="flex-1" />
  const run = data.trajectories[0]
  const text = textAt(run, places.instruction)
  if (run && text !== '') {
    const brought = { text, runId: run.trajectory_id }
    return <RunbookEditor collection={collection} task={task} read={read} places={places} brought={brought} />
  }
  return (
    <NoRunbook collection={collection} task={task} title="Each run of this task brings its own runbook">
      Nothing has run yet. Store a runbook with the task to edit it here.
    </NoRunbook>
  )
}

const NoRunbook = ({
  collection,
  task,
  title,
  children,
}: TaskPlaceProps & { title: string; children: React.ReactNode }) => (
  <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
    <h1 className="sr-only">Runbook of {task}</h1>
    <Empty title={title} command={`jetty runbook deploy RUNBOOK.md ${collection}/${task}`}>
      {children}
    </Empty>
  </main>
)

export default RunbookTab
