import type { ReactNode } from 'react'
import type { ListedApproval } from '../../../src/model/runs/approval.ts'
import { useNow } from '../../data/clock.ts'
import { PageLink, runHref } from '../../parts/page-link.tsx'
import { splitQuestion } from '../../parts/question.ts'
import { TextView } from '../../parts/text-view/text-view.tsx'
import { agoText } from '../../text/ago.ts'
import { CopyLine } from '../../ui/copy.tsx'

const valueText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value, null, 2))

/** What is to be decided, with everything the workflow says about it. Values are text, whatever is in them. */
export const ApprovalDetails = ({ approval, children }: { approval: ListedApproval; children: ReactNode }) => {
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
export const MetadataOf = ({ metadata }: { metadata: Record<string, unknown> }) => {
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
