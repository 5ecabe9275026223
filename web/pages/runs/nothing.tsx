import { PageLink } from '../../parts/page-link.tsx'
import { Button, buttonClass } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'

interface NothingProps {
  collection: string
  task: string | undefined
  isLimited: boolean
  onClear: () => void
}

/** Stands in the place of a list without runs: either the filters are too narrow, or nothing has run yet. */
export const NoRuns = ({ collection, task, isLimited, onClear }: NothingProps) => {
  if (isLimited) {
    return (
      <Empty title="No run fits these filters" actions={<Button onClick={onClear}>Clear the filters</Button>}>
        Remove one of them, or look further back.
      </Empty>
    )
  }
  return task === undefined ? (
    <Empty
      title={`Nothing has run in ${collection} yet`}
      command={`jetty tasks deploy workflow.json ${collection}/my-task`}
    >
      Runs of all tasks of this collection appear here by themselves. Deploy a task, then run it.
    </Empty>
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
