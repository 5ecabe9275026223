import type { ShownAuditEntry } from '../../../../src/model/collections/audit.ts'
import { momentText } from '../../../text/moment.ts'
import { Badge } from '../../../ui/badge.tsx'
import { actorText, changeTexts, operationWords } from './audit-words.ts'

const outcomes = { begun: 'Begun: nobody noted how it ended', failed: 'Failed', done: undefined } as const

/** One change: when, who, what, and how it ended where that is not well. */
export const AuditLine = ({ entry, hasCollection }: { entry: ShownAuditEntry; hasCollection: boolean }) => {
  const { at, actor, operation, target, changes, outcome, collection } = entry
  const bad = outcomes[outcome]
  return (
    <li className="flex flex-wrap items-baseline gap-x-4 gap-y-0.5 py-2">
      <time dateTime={at} className="w-34 shrink-0 text-12 text-muted tabular-nums">
        {momentText(at)}
      </time>
      <span className="w-44 truncate" title={actorText(actor)}>
        {actorText(actor)}
      </span>
      <div className="min-w-60 flex-1">
        <p className="flex flex-wrap items-center gap-x-2">
          <span title={operation}>{operationWords(operation)}</span>
          <span className="break-all font-mono text-12">{target}</span>
          {hasCollection && collection && <Badge>{collection}</Badge>}
          {bad && <span className="text-bad">{bad}</span>}
        </p>
        <p className="break-words text-12 text-muted">{changeTexts(changes).join(' · ')}</p>
      </div>
    </li>
  )
}
