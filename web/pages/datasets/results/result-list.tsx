import type { api } from '../../../data/api.ts'
import { plainText } from '../../../parts/log/plain-text.ts'
import { PageLink, runHref } from '../../../parts/page-link.tsx'
import { StatusMark } from '../../../ui/status.tsx'
import { resultStates } from './result-states.ts'

interface ResultListProps {
  collection: string
  task: string
  items: Awaited<ReturnType<typeof api.listDatasetResults>>['items']
}

/** Each item with the state of its result, and the run that it is from. */
export const ResultList = ({ collection, task, items }: ResultListProps) => (
  <ul aria-label="Results" className="divide-y divide-line border-line border-y empty:hidden">
    {items.map(({ id, state, run }) => {
      const shown = resultStates.find(({ name }) => name === state)
      return (
        <li key={id} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-2 py-1.5">
          <span className="min-w-32 flex-1 truncate font-mono text-12 sm:max-w-80" title={id}>
            {id}
          </span>
          <span className="flex w-44 shrink-0 items-center gap-1.5">
            <StatusMark of={shown?.mark ?? 'skipped'} />
            {shown?.text ?? state}
          </span>
          <span className="min-w-0 flex-1 truncate text-12 text-bad empty:max-sm:hidden max-sm:order-last max-sm:basis-full">
            {run?.error && plainText(run.error)}
          </span>
          {run && (
            <PageLink
              href={runHref({ collection, task, trajectory_id: run.trajectory_id })}
              className="font-mono text-12 text-accent sm:w-18"
            >
              {run.trajectory_id}
            </PageLink>
          )}
          <span className="text-12 text-muted empty:max-sm:hidden sm:w-20">
            {run && `dataset v${run.dataset_version}`}
          </span>
        </li>
      )
    })}
  </ul>
)
