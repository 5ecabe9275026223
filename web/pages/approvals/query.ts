import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { AppError } from '../../../src/lib/errors.ts'
import type { ListedApproval } from '../../../src/model/runs/approval.ts'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import { useLiveCollection } from '../../data/live-collection.ts'
import { refreshSoon } from '../../data/refresh-soon.ts'
import { showToast } from '../../ui/toast.tsx'

/** Which approvals are shown: those that name this person, all that wait, or those that were decided. */
export type ApprovalTab = 'mine' | 'waiting' | 'decided'

const approvalsKey = keys.approvals

export const useApprovals = (tab: ApprovalTab) => {
  const state = tab === 'decided' ? 'decided' : 'waiting'
  return useInfiniteQuery({
    queryKey: [...approvalsKey, state],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      api.listAllApprovals({
        query: { state, limit: 100, ...(pageParam === '' ? {} : { cursor: pageParam }) },
        signal,
      }),
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchOnWindowFocus: true, // no stream has the approvals of all collections
  })
}

const useRefreshApprovals = (): (() => void) => {
  const client = useQueryClient()
  return () => void client.invalidateQueries({ queryKey: approvalsKey })
}

/** Follows the collection of the approval that is looked at. */
export const useLiveApprovals = (collection: string | undefined): void => {
  const client = useQueryClient()
  useLiveCollection(collection ?? '', {
    onNews: () => refreshSoon(client, approvalsKey),
    onGap: useRefreshApprovals(),
    isOn: collection !== undefined,
  })
}

interface Decision {
  approval: ListedApproval
  decision: 'approve' | 'reject'
  comment: string
}

/** Decides an approval; whoever comes second is told who was first. */
export const useDecide = (onDecided: () => void) => {
  const refresh = useRefreshApprovals()
  return useMutation({
    mutationFn: ({ approval, decision, comment }: Decision) => {
      const { collection, task, trajectory_id, step } = approval
      return api.decideApproval({
        params: { collection, task, trajectory_id, step },
        body: { decision, comment: comment.trim() === '' ? null : comment },
      })
    },
    onSuccess: onDecided,
    onError: (error) => {
      // The list is read again without it, and its panel goes.
      if (error instanceof AppError && error.status === 409) showToast({ text: error.message, isBad: true })
    },
    onSettled: refresh,
  })
}
