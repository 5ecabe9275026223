import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useRouter, useSearch } from '@tanstack/react-router'
import { type ReactNode, type Ref, useRef, useState } from 'react'
import { AppError } from '../../../src/lib/errors.ts'
import type { ListedApproval } from '../../../src/model/runs/approval.ts'
import { api } from '../../data/api.ts'
import { useNarrow, useTitle } from '../../data/browser.ts'
import { useNow } from '../../data/clock.ts'
import { keys } from '../../data/keys.ts'
import { useLiveCollection } from '../../data/live-collection.ts'
import { paged } from '../../data/paged.ts'
import { refreshSoon } from '../../data/refresh-soon.ts'
import { useMayWrite, useWhoami } from '../../data/whoami.ts'
import { ListFrame } from '../../parts/list-frame.tsx'
import { plainText } from '../../parts/log/plain-text.ts'
import { PageLink, runHref } from '../../parts/page-link.tsx'
import { Problem } from '../../parts/problem.tsx'
import { splitQuestion } from '../../parts/question.ts'
import { Split } from '../../parts/split.tsx'
import { personText } from '../../parts/status-of-run.ts'
import { TextView } from '../../parts/text-view/text-view.tsx'
import { agoText, momentText } from '../../text/times.ts'
import { Button, IconButton } from '../../ui/button.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { Empty } from '../../ui/empty.tsx'
import { TextArea } from '../../ui/field.tsx'
import { useKeys } from '../../ui/keys.ts'
import { StatusMark } from '../../ui/status.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { showToast } from '../../ui/toast.tsx'

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
const DecisionForm = ({ approval, comment, onComment, onDecide, isSending, error, commentRef }: DecisionFormProps) => {
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

/** Which approvals are shown: those that name this person, all that wait, or those that were decided. */
type ApprovalTab = 'mine' | 'waiting' | 'decided'

const approvalsKey = keys.approvals

const useApprovals = (tab: ApprovalTab) => {
  const state = tab === 'decided' ? 'decided' : 'waiting'
  return useInfiniteQuery({
    queryKey: [...approvalsKey, state],
    ...paged((page, signal) => api.listAllApprovals({ query: { state, limit: 100, ...page }, signal })),
    refetchOnWindowFocus: true, // no stream has the approvals of all collections
  })
}

const useRefreshApprovals = (): (() => void) => {
  const client = useQueryClient()
  return () => void client.invalidateQueries({ queryKey: approvalsKey })
}

/** Follows the collection of the approval that is looked at. */
const useLiveApprovals = (collection: string | undefined): void => {
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
const useDecide = (onDecided: () => void) => {
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

/** What tells one approval from all others. */
const approvalKey = ({ collection, trajectory_id, step }: ListedApproval): string =>
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

const ApprovalList = ({ approvals, selected, onSelect }: ListProps) => {
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

const valueText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value, null, 2))

/** What is to be decided, with everything the workflow says about it. Values are text, whatever is in them. */
const ApprovalDetails = ({ approval, children }: { approval: ListedApproval; children: ReactNode }) => {
  const now = useNow()
  const { collection, task, trajectory_id: id, step, message, assignees, metadata } = approval
  const { title, rest } = splitQuestion(message)
  return (
    <article className="mx-auto flex max-w-180 flex-col gap-4 p-6">
      <h2 className="break-words font-semibold text-15">{title}</h2>
      <p className="text-12 text-muted">
        asked by step <span className="font-mono">{step}</span> of{' '}
        <PageLink href={runHref({ collection, task, trajectory_id: id })} className="text-accent underline">
          {collection}/{task}/<span className="font-mono">{id}</span>
        </PageLink>{' '}
        {agoText(approval.requested_at, now)}
        {assignees.length > 0 && ` · meant for ${assignees.join(', ')}`}
      </p>
      {rest !== '' && <TextView text={rest} isProse />}
      <MetadataOf metadata={metadata} />
      {children}
      {approval.state === 'waiting' && (
        <CopyLine text={`jetty approve ${collection}/${task}/${id} ${step} -m "fine with me"`} />
      )}
    </article>
  )
}

/** The values beside the question, by name. */
const MetadataOf = ({ metadata }: { metadata: Record<string, unknown> }) => {
  const entries = Object.entries(metadata)
  if (entries.length === 0) return null
  return (
    <dl className="flex flex-col gap-3 rounded-m border border-line p-4">
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt className="text-11 text-muted">{name}</dt>
          <dd className="max-h-80 overflow-auto whitespace-pre-wrap break-words">{valueText(value)}</dd>
        </div>
      ))}
    </dl>
  )
}

interface PlainProps {
  approval: ListedApproval | undefined
  /** How many wait besides. */
  rest: number
  onDecided: () => void
}

/** One question with two answers, for people who do not know the workflow: no ids, no steps, no commands. */
const PlainApproval = ({ approval, rest, onDecided }: PlainProps) => (
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

interface PanelProps {
  approval: ListedApproval
  onDecided: () => void
  onClose: () => void
}

/** One approval with its decision. `a` approves; `d` asks for the reason of a rejection first. */
const ApprovalPanel = ({ approval, onDecided, onClose }: PanelProps) => {
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

/** Moves through the list of approvals by keyboard. */
const useApprovalKeys = (
  all: string[],
  selected: string | undefined,
  onSelect: (key: string | undefined) => void,
): void => {
  const move = (step: number) => {
    const at = selected === undefined ? (step > 0 ? -1 : all.length) : all.indexOf(selected)
    const next = all[Math.min(all.length - 1, Math.max(0, at + step))]
    if (next !== undefined) onSelect(next)
  }
  useKeys('Approvals', [
    { keys: 'j', does: 'Next approval', run: () => move(1) },
    { keys: 'k', does: 'Previous approval', run: () => move(-1) },
    { keys: 'esc', does: 'Back to the list', run: () => onSelect(undefined) },
  ])
}

const empty: Record<ApprovalTab, { title: string; text: string }> = {
  mine: { title: 'Nothing waits for you', text: 'Approvals that name you are listed here; “All” has the others.' },
  waiting: { title: 'Nothing waits', text: 'A step with the activity wait_for_approval asks for a decision.' },
  decided: { title: 'Nothing was decided yet', text: 'Decisions stay here for as long as their runs are kept.' },
}

/** Whether an approval names a person, by the name of the key. */
const isFor = ({ assignees }: ListedApproval, name: string | null | undefined): boolean =>
  typeof name === 'string' && assignees.some((one) => one.toLowerCase() === name.toLowerCase())

/** Approvals of all collections: what waits, and what was decided. */
export const ApprovalsPage = () => {
  const { tab = 'waiting', approval, skin } = useSearch({ from: '/shell/-/approvals' })
  const navigate = useNavigate()
  const router = useRouter()
  const whoami = useWhoami()
  const list = useApprovals(tab)
  useTitle('Approvals')
  // Beside the list there is room for one; on a phone it would cover the list.
  const isFirstShown = !useNarrow() || skin === 'plain'
  const all = list.data?.pages.flatMap((page) => page.approvals) ?? []
  const shown = tab === 'mine' ? all.filter((one) => isFor(one, whoami?.name)) : all
  const selected = shown.find((one) => approvalKey(one) === approval) ?? (isFirstShown ? shown[0] : undefined)
  const kept = { ...(tab === 'waiting' ? {} : { tab }), ...(skin && { skin }) }
  const select = (key: string | undefined) =>
    void navigate({
      to: '/-/approvals',
      search: { ...kept, ...(key === undefined ? {} : { approval: key }) },
      replace: true,
    })
  const selectTab = (name: ApprovalTab) =>
    void navigate({ to: '/-/approvals', search: name === 'waiting' ? {} : { tab: name } })
  const next = () => {
    // While a decision is sent, somebody may choose another approval or tab, or leave the page.
    const { pathname, search } = router.state.location
    const now = search as { approval?: string; tab?: ApprovalTab }
    const isElsewhere = pathname !== '/-/approvals' || (now.tab ?? 'waiting') !== tab
    const decided = selected && approvalKey(selected)
    if (isElsewhere || (now.approval ?? decided) !== decided) return
    const at = selected === undefined ? -1 : shown.indexOf(selected)
    const other = shown[at + 1] ?? shown[at - 1]
    select(other && approvalKey(other))
  }
  useLiveApprovals(selected?.collection)
  useApprovalKeys(shown.map(approvalKey), selected && approvalKey(selected), select)
  if (skin === 'plain')
    return <PlainApproval approval={selected} rest={Math.max(0, shown.length - 1)} onDecided={next} />

  const total = list.data?.pages[0]?.total
  const tabs = [
    { name: 'mine' as const, text: 'Waiting for you' },
    { name: 'waiting' as const, text: 'All' },
    { name: 'decided' as const, text: 'Decided' },
  ].map((one) =>
    one.name === tab && one.name !== 'mine' && typeof total === 'number' ? { ...one, count: String(total) } : one,
  )
  return (
    <main className="flex min-h-0 flex-1 flex-col">
      <h1 className="sr-only">Approvals</h1>
      <Tabs label="Approvals" tabs={tabs} current={tab} onSelect={selectTab} className="border-line border-b px-4" />
      <Split
        label="the approval"
        stored="approvals-panel"
        first={60}
        panel={
          selected && (
            <ApprovalPanel
              key={approvalKey(selected)}
              approval={selected}
              onDecided={next}
              onClose={() => select(undefined)}
            />
          )
        }
      >
        <div role="tabpanel" data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto [&>p]:m-4">
          <ListFrame list={list} count={shown.length} empty={<Empty title={empty[tab].title}>{empty[tab].text}</Empty>}>
            <ApprovalList approvals={shown} selected={selected && approvalKey(selected)} onSelect={select} />
          </ListFrame>
        </div>
      </Split>
    </main>
  )
}
