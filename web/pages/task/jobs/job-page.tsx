import { useInfiniteQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { useTitle } from '../../../data/browser.ts'
import { useNow } from '../../../data/clock.ts'
import { paged } from '../../../data/paged.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { countText } from '../../../text/numbers.ts'
import { agoText } from '../../../text/times.ts'
import { Button } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { Status } from '../../../ui/status.tsx'
import type { TaskPlaceProps } from '../use-task.ts'
/** Work over many rows or runs, as a list shows it: a batch, an evaluation or an experiment. */
export interface Job {
  id: string
  name: string | null
  status: string
  /** Rows, or recorded runs. */
  total: number
  created: string
  ended: string | null
}

/** How often an open job is asked for. */
const askAgainMs = 1_000

/** Asks again while a job goes on; an ended one never changes. */
export const whileOpen = ({ state }: { state: { data?: Pick<Job, 'ended'> | undefined; error: unknown } }) =>
  state.error || state.data?.ended !== null ? false : askAgainMs

/** Asks for a list again while something in it goes on. */
const whileAnyOpen = (listed: readonly Pick<Job, 'ended'>[]) =>
  listed.some(({ ended }) => ended === null) ? 2 * askAgainMs : false

interface JobListProps<One extends Job> {
  /** What the list holds: `batches`. */
  noun: string
  /** What a job has many of: `rows`. */
  units: string
  jobs: readonly One[]
  chosen: string | undefined
  onChoose: (id: string) => void
  /** Stands between the name and the number of rows. */
  detail: (job: One) => ReactNode
}

/** The jobs of a task, newest first. */
const JobList = <One extends Job>({ noun, units, jobs, chosen, onChoose, detail }: JobListProps<One>) => {
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
                {countText(job.total)} {units}
              </span>
              <span className="w-20 shrink-0 text-right text-12 text-muted max-sm:order-3 max-sm:ml-auto">
                {agoText(job.created, now)}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Jobs of one page of the list. */
export const jobsOfPage = 20

interface JobForm<One> {
  jobs: readonly One[]
  onClose: () => void
  onStarted: (id: string) => void
}

interface JobPageProps<One extends Job> {
  place: TaskPlaceProps
  /** Name of the chosen job in the address. */
  noun: 'batch' | 'evaluation' | 'experiment'
  tab: 'batches' | 'evaluations' | 'experiments'
  units?: string
  title: string
  queryKey: readonly unknown[]
  load: (page: { cursor?: string }, signal: AbortSignal) => Promise<{ jobs: One[]; next_cursor: string | null }>
  /** A command that starts the first one, and what one is good for. */
  empty: { command: string; about: string }
  detail: (job: One) => ReactNode
  view: (id: string, mayWrite: boolean) => ReactNode
  form: (form: JobForm<One>) => ReactNode
}

/** Jobs of a task over many rows: the chosen one, all of them, and a form for a new one. */
export const JobPage = <One extends Job>({
  place,
  noun,
  tab,
  title,
  queryKey,
  units = 'rows',
  ...rest
}: JobPageProps<One>) => {
  useTitle(title, place.task, place.collection)
  const navigate = useNavigate()
  const mayWrite = useMayWrite()
  const [isNew, setNew] = useState(false)
  const asked = useSearch({ strict: false })[noun]
  const list = useInfiniteQuery({
    queryKey,
    ...paged(rest.load),
    refetchInterval: ({ state }) => whileAnyOpen(state.data?.pages.flatMap((page) => page.jobs) ?? []),
  })
  const jobs = list.data?.pages.flatMap((page) => page.jobs) ?? []
  const chosen = asked ?? jobs[0]?.id
  const choose = (id: string) =>
    void navigate({ to: '/$collection/$task', params: place, search: { tab, [noun]: id }, replace: true })
  const started = (id: string) => {
    setNew(false)
    void list.refetch()
    choose(id)
  }
  return (
    <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
      <div className="mx-auto flex max-w-240 flex-col gap-4 px-4 py-6">
        <div className="flex flex-wrap items-center gap-2">
          <h1 className="mr-auto font-semibold text-20">
            {title} of {place.task}
          </h1>
          <Button icon="plus" disabled={!mayWrite} onClick={() => setNew(true)}>
            New {noun}
          </Button>
        </div>
        {chosen !== undefined && rest.view(chosen, mayWrite)}
        <ListFrame
          list={list}
          count={jobs.length}
          more={`Earlier ${tab}`}
          empty={
            asked === undefined && (
              <Empty title={`No ${noun} yet`} command={rest.empty.command}>
                {rest.empty.about}
              </Empty>
            )
          }
        >
          <JobList noun={tab} units={units} jobs={jobs} chosen={chosen} onChoose={choose} detail={rest.detail} />
        </ListFrame>
        {isNew && rest.form({ jobs, onClose: () => setNew(false), onStarted: started })}
      </div>
    </main>
  )
}
