import { useTitle } from '../../../data/title.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Empty } from '../../../ui/empty.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { useTask } from '../use-task.ts'
import { RunbookEditor } from './runbook-editor.tsx'
import { runbookPlaces } from './runbook-places.ts'

/** The runbook of a task: its text, what is to mend in it, and a run from there. */
const RunbookTab = ({ collection, task }: TaskPlaceProps) => {
  useTitle('Runbook', task, collection)
  const { data, error, refetch } = useTask(collection, task)
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <main className="flex-1" />
  const places = runbookPlaces(data.task.workflow)
  if (places) return <RunbookEditor collection={collection} task={task} read={data} places={places} />
  return (
    <main className="min-h-0 flex-1 overflow-auto">
      <h1 className="sr-only">Runbook of {task}</h1>
      <Empty title="This task has no runbook" command={`jetty runbook deploy RUNBOOK.md ${collection}/${task}`}>
        A runbook is the instruction of a step with the activity <code>runbook</code>, or a parameter that such a step
        reads.
      </Empty>
    </main>
  )
}

export default RunbookTab
