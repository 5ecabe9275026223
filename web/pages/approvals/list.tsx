import type { ListedApproval } from '../../../src/model/runs/approval.ts'
import { useNow } from '../../data/clock.ts'
import { plainText } from '../../parts/log/plain-text.ts'
import { splitQuestion } from '../../parts/question.ts'
import { personText } from '../../parts/status-of-run.ts'
import { agoText } from '../../text/ago.ts'
import { StatusMark } from '../../ui/status.tsx'

/** What tells one approval from all others. */
export const approvalKey = ({ collection, trajectory_id, step }: ListedApproval): string =>
  `${collection}/${trajectory_id}/${step}`

const marks = { approve: 'completed', reject: 'failed', fail: 'cancelled' } as const
const words = { approve: 'approved', reject: 'rejected', fail: 'expired' } as const

const sinceText = (one: ListedApproval, now: number): string => {
  if (one.decision) return `${words[one.decision]} ${agoText(one.decided_at, now)}`
  const expiresMs = one.expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(one.expires_at)
  return expiresMs - now < 86_400_000 ? `expires ${agoText(one.expires_at, now)}` : agoText(one.requested_at, now)
}

interface ListProps {
  approvals: ListedApproval[]
  selected: string | undefined
  onSelect: (key: string) => void
}

export const ApprovalList = ({ approvals, selected, onSelect }: ListProps) => {
  const now = useNow()
  return (
    <ul aria-label="Approvals" className="divide-y divide-line">
      {approvals.map((one) => {
        const key = approvalKey(one)
        return (
          <li key={key}>
            <button
              type="button"
              aria-current={key === selected}
              onClick={() => onSelect(key)}
              className={`flex w-full flex-col gap-0.5 px-4 py-2 text-left ${key === selected ? 'bg-selection' : 'hover:bg-sunk'}`}
            >
              <span className="flex w-full items-center gap-2">
                <StatusMark of={one.decision ? marks[one.decision] : 'waiting'} label={one.state} />
                <span className="min-w-0 flex-1 truncate font-medium">
                  {one.collection}/{one.task}
                </span>
                <span className="shrink-0 text-12 text-muted">{sinceText(one, now)}</span>
              </span>
              <span className="w-full truncate text-12 text-muted">{plainText(splitQuestion(one.message).title)}</span>
              <span className="w-full truncate text-11 text-muted">
                {one.decided_by ? `by ${personText(one.decided_by)}` : one.assignees.join(', ')}
              </span>
            </button>
          </li>
        )
      })}
    </ul>
  )
}
