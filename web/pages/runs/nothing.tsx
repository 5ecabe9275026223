import { useQuery } from '@tanstack/react-query'
import { api } from '../../data/api.ts'
import { PageLink } from '../../parts/page-link.tsx'
import { TraceSetup } from '../../parts/trace-setup.tsx'
import { Button, buttonClass } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'

interface NothingProps {
  collection: string
  task: string | undefined
  isLimited: boolean
  /** Runs that other runs started are not in the list. */
  hidesChildren: boolean
  onClear: () => void
  onChildren: () => void
}

/** Stands in the place of a list without runs: it hides those there are, its filters are too narrow, or nothing has run. */
export const NoRuns = ({ collection, task, isLimited, hidesChildren, onClear, onChildren }: NothingProps) => {
  const counts = useQuery({
    queryKey: ['counts', collection, task ?? ''],
    queryFn: ({ signal }) =>
      api.countCollectionRuns({
        params: { collection },
        query: task === undefined ? {} : { task: [task] },
        signal,
      }),
    enabled: !isLimited,
  })
  if (isLimited) {
    return (
      <Empty
        title="No run fits these filters"
        actions={
          <>
            <Button onClick={onClear}>Clear the filters</Button>
            {hidesChildren && <Button onClick={onChildren}>Look at child runs, too</Button>}
          </>
        }
      >
        Remove one of them, or look further back.
        {hidesChildren && ' Runs that other runs started are left out.'}
      </Empty>
    )
  }
  if (counts.isPending) return null
  const total = counts.data?.total ?? 0
  if (total > 0 && hidesChildren) {
    return (
      <Empty
        title={
          total === 1
            ? 'One run, which another one started'
            : `${total.toLocaleString('en-US')} runs, all started by others`
        }
        actions={
          <Button look="main" onClick={onChildren}>
            Show {total === 1 ? 'it' : 'them'}
          </Button>
        }
      >
        Nobody has run {task ?? 'a task'} directly. The list folds child runs into the runs that started them.
      </Empty>
    )
  }
  return task === undefined ? (
    <>
      <Empty
        title={`Nothing has run in ${collection} yet`}
        command={`jetty tasks deploy workflow.json ${collection}/my-task`}
      >
        Runs of all tasks of this collection appear here by themselves. Deploy a task, then run it.
      </Empty>
      <TraceSetup collection={collection} />
    </>
  ) : (
    <Empty
      title={`${task} has not run yet`}
      command={`jetty run ${collection}/${task}`}
      actions={
        <PageLink
          href={`/${encodeURIComponent(collection)}/${encodeURIComponent(task)}?tab=run`}
          className={buttonClass('main')}
        >
          Run it
        </PageLink>
      }
    >
      Its runs appear here by themselves.
    </Empty>
  )
}
