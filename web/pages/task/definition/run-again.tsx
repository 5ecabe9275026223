import { useMutation } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { api } from '../../../data/api.ts'
import { errorText } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { showToast } from '../../../ui/toast.tsx'
import type { TaskPlaceProps } from '../place.ts'

/** Runs the failed run that led here again, from its failed step, with what was saved. */
export const RunAgain = ({ place: { collection, task } }: { place: TaskPlaceProps }) => {
  const navigate = useNavigate()
  const { mends, from } = useSearch({ strict: false }) as { mends?: string; from?: string }
  const rerun = useMutation({
    mutationFn: (id: string) =>
      api.rerunTrajectory({
        params: { collection, task, trajectory_id: id },
        body: { init_params: {}, version: 'current', mode: 'run', ...(from === undefined ? {} : { from_step: from }) },
      }),
    onSuccess: ({ trajectory_id: id }) =>
      void navigate({ to: '/$collection/$task/$id', params: { collection, task, id } }),
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  if (mends === undefined) return null
  return (
    <Button look="main" icon="again" disabled={rerun.isPending} onClick={() => rerun.mutate(mends)}>
      Run {mends} again
    </Button>
  )
}
