import type { ReactNode } from 'react'
import { useNow } from '../../../data/clock.ts'
import { agoText } from '../../../text/ago.ts'
import { countText } from '../../../text/count.ts'
import { Button } from '../../../ui/button.tsx'
import { Status } from '../../../ui/status.tsx'
import type { Job } from './job.ts'

interface JobListProps<One extends Job> {
  /** What the list holds: `batches`. */
  noun: string
  jobs: readonly One[]
  chosen: string | undefined
  onChoose: (id: string) => void
  onMore: (() => void) | undefined
  /** Stands between the name and the number of rows. */
  detail: (job: One) => ReactNode
}

/** The jobs of a task, newest first. */
export const JobList = <One extends Job>({ noun, jobs, chosen, onChoose, onMore, detail }: JobListProps<One>) => {
  const now = useNow()
  return (
    <section aria-label={`All ${noun}`}>
      <h2 className="mb-1 font-medium text-12 text-muted">All {noun}</h2>
      <ul className="divide-y divide-line border-line border-y">
        {jobs.map((job) => (
          <li key={job.id}>
            <button
              type="button"
              aria-current={job.id === chosen}
              onClick={() => onChoose(job.id)}
              className="flex w-full flex-wrap items-center gap-x-4 gap-y-1 px-2 py-2 text-left hover:bg-sunk aria-[current=true]:bg-selection"
            >
              <span className="flex w-28 shrink-0 max-sm:order-1 max-sm:w-24">
                <Status of={job.status} />
              </span>
              <span className="min-w-0 flex-1 truncate font-medium max-sm:basis-full">{job.name ?? job.id}</span>
              <span className="max-w-60 shrink-0 truncate text-12 text-muted max-sm:hidden">{detail(job)}</span>
              <span className="w-20 shrink-0 text-right tabular-nums max-sm:order-2 max-sm:w-auto">
                {countText(job.total)} rows
              </span>
              <span className="w-20 shrink-0 text-right text-12 text-muted max-sm:order-3 max-sm:ml-auto">
                {agoText(job.created, now)}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {onMore && (
        <Button look="quiet" icon="down" className="mt-2" onClick={onMore}>
          Earlier {noun}
        </Button>
      )}
    </section>
  )
}
