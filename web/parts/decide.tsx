import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { AppError } from '../../src/lib/errors.ts'
import { api } from '../data/api.ts'
import { keys } from '../data/keys.ts'
import type { Run } from '../data/run.ts'
import { agoText } from '../text/times.ts'
import { Button } from '../ui/button.tsx'
import { CopyLine } from '../ui/copy.tsx'
import { TextArea } from '../ui/field.tsx'
import { showToast } from '../ui/toast.tsx'
import { approveCommand } from './run-commands.ts'
import { TextView } from './text-view/text-view.tsx'

type Decision = 'approve' | 'reject'

interface DecideProps {
  run: Pick<Run, 'collection' | 'task' | 'trajectory_id'>
  waiting: NonNullable<Run['waiting']>[number]
  mayWrite: boolean
}

/** Approves or rejects a step in its place. */
export const Decide = ({ run, waiting, mayWrite }: DecideProps) => {
  const { collection, task, trajectory_id: id } = run
  const [comment, setComment] = useState('')
  const client = useQueryClient()
  const { mutate, isPending, error } = useMutation({
    mutationFn: (decision: Decision) =>
      api.decideApproval({
        params: { collection, task, trajectory_id: id, step: waiting.step },
        body: { decision, ...(comment === '' ? {} : { comment }) },
      }),
    onSuccess: ({ decision }) =>
      showToast({ text: decision === 'approve' ? `Approved ${waiting.step}` : `Rejected ${waiting.step}` }),
    // Also after a refusal: somebody else was first.
    onSettled: () => client.invalidateQueries({ queryKey: keys.run(collection, task, id) }),
  })
  return (
    <div className="flex flex-col gap-2 rounded-m border border-wait p-3">
      <div className="max-h-[40dvh] overflow-y-auto">
        <TextView text={waiting.message} isProse />
      </div>
      <p className="text-12 text-muted">
        Waits since {agoText(waiting.since, Date.now())}
        {waiting.expires_at === null ? '.' : `, and decides itself ${agoText(waiting.expires_at, Date.now())}.`}
      </p>
      {mayWrite ? (
        <>
          <TextArea
            label="Comment"
            rows={2}
            value={comment}
            onChange={(event) => setComment(event.target.value)}
            placeholder="For the record, and for the steps that follow"
          />
          <div className="flex flex-wrap gap-2">
            <Button look="main" icon="tick" disabled={isPending} onClick={() => mutate('approve')}>
              Approve
            </Button>
            <Button look="bad" icon="cross" disabled={isPending} onClick={() => mutate('reject')}>
              Reject
            </Button>
          </div>
          {error && (
            <p role="alert" className="text-bad">
              {refusalText(error)}
            </p>
          )}
          <CopyLine text={approveCommand(run, waiting.step, 'approve', comment)} />
        </>
      ) : (
        <p className="text-12 text-muted">Your key can read. Deciding needs one with write access.</p>
      )}
    </div>
  )
}

const refusalText = (error: Error): string =>
  error instanceof AppError && error.code === 'conflict'
    ? `${error.message}. Somebody was faster; the page shows what was decided.`
    : error.message
