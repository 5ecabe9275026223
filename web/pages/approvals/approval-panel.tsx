import { useRef, useState } from 'react'
import type { ListedApproval } from '../../../src/model/runs/approval.ts'
import { IconButton } from '../../ui/button.tsx'
import { useKeys } from '../../ui/keys.ts'
import { showToast } from '../../ui/toast.tsx'
import { DecisionForm } from './decision-form.tsx'
import { ApprovalDetails } from './details.tsx'
import { useDecide } from './query.ts'

interface PanelProps {
  approval: ListedApproval
  onDecided: () => void
  onClose: () => void
}

/** One approval with its decision. `a` approves; `d` asks for the reason of a rejection first. */
export const ApprovalPanel = ({ approval, onDecided, onClose }: PanelProps) => {
  const [comment, setComment] = useState('')
  const commentBox = useRef<HTMLTextAreaElement>(null)
  const decide = useDecide(onDecided)
  const send = (decision: 'approve' | 'reject') => {
    if (approval.decision || decide.isPending) return
    decide.mutate(
      { approval, decision, comment },
      { onSuccess: () => showToast({ text: decision === 'approve' ? 'Approved' : 'Rejected' }) },
    )
  }
  useKeys('Approval', [
    { keys: 'a', does: 'Approve', run: () => send('approve') },
    { keys: 'd', does: 'Reject, with a comment', run: () => commentBox.current?.focus() },
  ])
  return (
    <>
      <div className="flex justify-end p-2 md:hidden">
        <IconButton icon="cross" label="Back to the list" onClick={onClose} />
      </div>
      <ApprovalDetails approval={approval}>
        <DecisionForm
          approval={approval}
          comment={comment}
          onComment={setComment}
          onDecide={send}
          isSending={decide.isPending}
          error={decide.error}
          commentRef={commentBox}
        />
      </ApprovalDetails>
    </>
  )
}
