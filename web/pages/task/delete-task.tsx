import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { Confirm, Lost } from '../../parts/form-dialog.tsx'
import { showToast } from '../../ui/toast.tsx'
import type { TaskPlaceProps } from './use-task.ts'

/** From so many runs on the name has to be typed. */
const manyRuns = 100

/** Deletes a task, after it has said what is lost. */
const DeleteTask = ({ collection, task, onClose }: TaskPlaceProps & { onClose: () => void }) => {
  const navigate = useNavigate()
  const queries = useQueryClient()
  const counts = useQuery({
    queryKey: ['counts', collection, task],
    queryFn: ({ signal }) => api.countCollectionRuns({ params: { collection }, query: { task: [task] }, signal }),
  })
  const { data } = counts
  const total = data?.total ?? 0
  const open = data ? data.by_status.running + data.by_status.pending : 0
  return (
    <Confirm
      title={`Delete ${task}?`}
      action="Delete it"
      typed={total >= manyRuns ? task : undefined}
      isLoading={counts.isPending}
      work={() => api.deleteTask({ params: { collection, task } })}
      onDone={() => {
        showToast({ text: `Deleted ${task}` })
        void queries.invalidateQueries({ queryKey: keys.tasks(collection) })
        void navigate({ to: '/$collection', params: { collection } })
      }}
      onClose={onClose}
      command={`jetty tasks rm ${collection}/${task}`}
    >
      <p>This is deleted for ever:</p>
      {data && (
        <Lost
          of={[
            [data.versions, 'version of its definition', 'versions of its definition'],
            [data.routines, 'routine', 'routines'],
          ]}
        />
      )}
      <p>
        {total === 0
          ? 'It has no runs.'
          : `Its ${total === 1 ? 'run stays' : `${total.toLocaleString('en-US')} runs stay`} readable at their addresses. To delete them, too, select them in the list of runs.`}
        {open > 0 && ` ${open === 1 ? 'One of them is' : `${open} of them are`} open and will go on.`}
      </p>
      <p className="text-muted">Tasks that start it, webhooks and programs that name it will fail from then on.</p>
    </Confirm>
  )
}

export default DeleteTask
