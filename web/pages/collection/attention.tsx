import { Link } from '@tanstack/react-router'
import type { ShownApproval } from '../../../src/model/runs/approval.ts'
import type { CollectionRun } from '../../../src/model/runs/collection-run.ts'
import { useNow } from '../../data/clock.ts'
import { plainText } from '../../parts/log/plain-text.ts'
import { PageLink, runHref } from '../../parts/page-link.tsx'
import { splitQuestion } from '../../parts/question.ts'
import { agoText } from '../../text/ago.ts'
import { StatusMark } from '../../ui/status.tsx'

interface LineProps {
  collection: string
  task: string
  id: string
  mark: string
  text: string
  since: string
}

const Line = ({ collection, task, id, mark, text, since }: LineProps) => {
  const now = useNow()
  return (
    <li>
      <PageLink
        href={runHref({ collection, task, trajectory_id: id })}
        className="flex items-center gap-2 rounded-s px-2 py-1.5 hover:bg-sunk"
      >
        <StatusMark of={mark} label={mark} />
        <span className="shrink-0 font-medium">{task}</span>
        <span className="min-w-0 flex-1 truncate text-muted">{plainText(text)}</span>
        <span className="shrink-0 text-12 text-faint">{agoText(since, now)}</span>
      </PageLink>
    </li>
  )
}

/** Runs that failed last. */
export const LatestFailures = ({ collection, runs }: { collection: string; runs: CollectionRun[] }) => (
  <section aria-labelledby="failures">
    <h2 id="failures" className="mb-1 flex items-baseline gap-3 font-semibold text-15">
      Latest failures
      <Link
        to="/$collection/-/runs"
        params={{ collection }}
        search={{ status: ['failed'] }}
        className="font-normal text-12 text-accent"
      >
        All of them
      </Link>
    </h2>
    <ul>
      {runs.map((run) => (
        <Line
          key={run.workflow_id}
          collection={collection}
          task={run.task}
          id={run.trajectory_id}
          mark="failed"
          text={run.error ?? ''}
          since={run.ended ?? run.created}
        />
      ))}
    </ul>
  </section>
)

/** Steps that wait for somebody. */
export const OpenApprovals = ({ collection, approvals }: { collection: string; approvals: ShownApproval[] }) => (
  <section aria-labelledby="approvals">
    <h2 id="approvals" className="mb-1 flex items-baseline gap-3 font-semibold text-15">
      Waiting for a person
      <Link to="/-/approvals" className="font-normal text-12 text-accent">
        Decide
      </Link>
    </h2>
    <ul>
      {approvals.map((one) => (
        <Line
          key={`${one.trajectory_id} ${one.step}`}
          collection={collection}
          task={one.task}
          id={one.trajectory_id}
          mark="waiting"
          text={splitQuestion(one.message).title}
          since={one.requested_at}
        />
      ))}
    </ul>
  </section>
)
