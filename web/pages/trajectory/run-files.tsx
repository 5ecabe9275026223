import { useQuery } from '@tanstack/react-query'
import { api } from '../../data/api.ts'
import type { Run, RunAddress } from '../../data/run.ts'
import { Media } from '../../parts/media/media.tsx'
import { shownAs } from '../../parts/media/media-kind.ts'
import { Problem } from '../../parts/problem.tsx'
import { Empty } from '../../ui/empty.tsx'

const mostFiles = 200

/** The stored files of a run: what was sent with it and what its steps made. */
export const RunFiles = ({ place, run }: { place: RunAddress; run: Run }) => {
  const { collection, task, id } = place
  const { data, error, refetch } = useQuery({
    queryKey: ['run-files', collection, task, id, run.completed_steps.length, run.status],
    queryFn: ({ signal }) =>
      api.listRunFiles({ params: { collection, task, trajectory_id: id }, query: { limit: mostFiles }, signal }),
  })
  if (error) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return <p className="p-4 text-muted">Loading…</p>
  if (data.files.length === 0) {
    return <Empty title="No files">Neither was a file sent with this run, nor has a step stored one.</Empty>
  }
  return (
    <div className="grid min-h-0 flex-1 auto-rows-max grid-cols-1 content-start items-start gap-3 overflow-auto p-4 lg:grid-cols-2">
      {data.files.map((file) => (
        <Media
          key={file.path}
          file={{
            path: file.path,
            name: file.name,
            contentType: file.content_type,
            size: file.size,
            kind: shownAs(file.name, file.content_type),
          }}
        />
      ))}
      {data.next_cursor !== null && (
        <p className="text-muted">These are the first {mostFiles} files. The download of the run has all of them.</p>
      )}
    </div>
  )
}
