import { useNavigate, useRouter, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import type { ListedApproval } from '../../../src/model/runs/approval.ts'
import { useNarrow } from '../../data/narrow.ts'
import { readStored, writeStored } from '../../data/stored.ts'
import { useTitle } from '../../data/title.ts'
import { useWhoami } from '../../data/whoami.ts'
import { Problem } from '../../parts/problem.tsx'
import { Button } from '../../ui/button.tsx'
import { Empty } from '../../ui/empty.tsx'
import { Split } from '../../ui/split.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { ApprovalPanel } from './approval-panel.tsx'
import { ApprovalList, approvalKey } from './list.tsx'
import { PlainApproval } from './plain.tsx'
import { type ApprovalTab, useApprovals, useLiveApprovals } from './query.ts'
import { useApprovalKeys } from './use-approval-keys.ts'

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
  const [percent, setPercent] = useState(Number(readStored('approvals-panel') ?? 60))
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
  const resize = (width: number) => {
    setPercent(width)
    writeStored('approvals-panel', String(width))
  }
  return (
    <main className="flex min-h-0 flex-1 flex-col">
      <h1 className="sr-only">Approvals</h1>
      <Tabs label="Approvals" tabs={tabs} current={tab} onSelect={selectTab} className="border-line border-b px-4" />
      <Split
        label="the approval"
        percent={percent}
        onResize={resize}
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
        <div role="tabpanel" data-scroll-restoration-id="page" className="min-h-0 flex-1 overflow-auto">
          {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
          {list.isSuccess && shown.length === 0 && <Empty title={empty[tab].title}>{empty[tab].text}</Empty>}
          <ApprovalList approvals={shown} selected={selected && approvalKey(selected)} onSelect={select} />
          {list.hasNextPage && (
            <Button className="m-4" onClick={() => void list.fetchNextPage()}>
              Show more
            </Button>
          )}
        </div>
      </Split>
    </main>
  )
}
