import type { Ref } from 'react'
import type { ListedApproval } from '../../../src/model/runs/approval.ts'
import { useMayWrite } from '../../data/whoami.ts'
import { Problem } from '../../parts/problem.tsx'
import { personText } from '../../parts/status-of-run.ts'
import { momentText } from '../../text/moment.ts'
import { Button } from '../../ui/button.tsx'
import { TextArea } from '../../ui/field.tsx'

const fallbacks = {
  approve: 'is approved',
  reject: 'is rejected',
  fail: 'fails',
} as const

/** What happens when nobody decides. */
const expiryText = ({ expires_at: at, default_decision: then }: ListedApproval): string =>
  at === null ? 'Waits until somebody decides.' : `If nobody decides until ${momentText(at)}, it ${fallbacks[then]}.`

interface DecisionFormProps {
  approval: ListedApproval
  comment: string
  onComment: (text: string) => void
  onDecide: (decision: 'approve' | 'reject') => void
  isSending: boolean
  error: unknown
  commentRef?: Ref<HTMLTextAreaElement> | undefined
}

/** The decision: to be made, or as it was made. */
export const DecisionForm = ({
  approval,
  comment,
  onComment,
  onDecide,
  isSending,
  error,
  commentRef,
}: DecisionFormProps) => {
  const mayWrite = useMayWrite()
  if (approval.decision) {
    const who = approval.decided_by === null ? 'Nobody decided in time' : personText(approval.decided_by)
    return (
      <p>
        {who}: {approval.decision}, {momentText(approval.decided_at)}
        {approval.comment && <q className="ml-2 text-muted">{approval.comment}</q>}
      </p>
    )
  }
  return (
    <div className="flex flex-col gap-3">
      <TextArea
        {...(commentRef && { ref: commentRef })}
        label="Comment"
        rows={3}
        maxLength={10_000}
        value={comment}
        onChange={(event) => onComment(event.target.value)}
      />
      <div className="flex flex-wrap items-center gap-3">
        <Button look="main" icon="tick" disabled={isSending || !mayWrite} onClick={() => onDecide('approve')}>
          Approve
        </Button>
        <Button look="bad" icon="cross" disabled={isSending || !mayWrite} onClick={() => onDecide('reject')}>
          Reject
        </Button>
        <span className="text-12 text-muted">{mayWrite ? expiryText(approval) : 'This key may only read.'}</span>
      </div>
      {error !== null && error !== undefined && <Problem error={error} />}
    </div>
  )
}
