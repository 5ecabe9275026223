import { useState } from 'react'
import type { ListedApproval } from '../../../src/model/runs/approval.ts'
import { splitQuestion } from '../../parts/question.ts'
import { TextView } from '../../parts/text-view/text-view.tsx'
import { showToast } from '../../ui/toast.tsx'
import { DecisionForm } from './decision-form.tsx'
import { MetadataOf } from './details.tsx'
import { approvalKey } from './list.tsx'
import { useDecide } from './query.ts'

interface PlainProps {
  approval: ListedApproval | undefined
  /** How many wait besides. */
  rest: number
  onDecided: () => void
}

/** One question with two answers, for people who do not know the workflow: no ids, no steps, no commands. */
export const PlainApproval = ({ approval, rest, onDecided }: PlainProps) => (
  <main data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
    <div className="mx-auto flex max-w-160 flex-col gap-6 px-6 py-12">
      {approval ? (
        <Question key={approvalKey(approval)} approval={approval} onDecided={onDecided} />
      ) : (
        <h1 className="font-semibold text-20">Nothing waits for you</h1>
      )}
      {rest > 0 && (
        <p className="text-muted">{rest === 1 ? 'One more question waits.' : `${rest} more questions wait.`}</p>
      )}
    </div>
  </main>
)

const Question = ({ approval, onDecided }: { approval: ListedApproval; onDecided: () => void }) => {
  const [comment, setComment] = useState('')
  const decide = useDecide(onDecided)
  const { title, rest } = splitQuestion(approval.message)
  return (
    <>
      <h1 className="break-words font-semibold text-20">{title}</h1>
      {rest !== '' && <TextView text={rest} isProse />}
      <MetadataOf metadata={approval.metadata} />
      <DecisionForm
        approval={approval}
        comment={comment}
        onComment={setComment}
        onDecide={(decision) =>
          decide.mutate({ approval, decision, comment }, { onSuccess: () => showToast({ text: 'Thank you' }) })
        }
        isSending={decide.isPending}
        error={decide.error}
      />
    </>
  )
}
