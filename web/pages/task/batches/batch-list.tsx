import type { BatchSummary } from '../../../../src/model/runs/batch.ts'
import { useNow } from '../../../data/clock.ts'
import { ShareBar } from '../../../parts/chart/share-bar.tsx'
import { agoText } from '../../../text/ago.ts'
import { countText } from '../../../text/count.ts'
import { Button } from '../../../ui/button.tsx'
import { Status } from '../../../ui/status.tsx'
import { progressParts } from './batch-queries.ts'

interface BatchListProps {
  batches: readonly BatchSummary[]
  chosen: string | undefined
  onChoose: (id: string) => void
  onMore: (() => void) | undefined
}

/** The batches of a task, newest first. */
export const BatchList = ({ batches, chosen, onChoose, onMore }: BatchListProps) => {
  const now = useNow()
  return (
    <section aria-label="All batches">
      <h2 className="mb-1 font-medium text-12 text-muted">All batches</h2>
      <ul className="divide-y divide-line border-line border-y">
        {batches.map((batch) => (
          <li key={batch.batch_id}>
            <button
              type="button"
              aria-current={batch.batch_id === chosen}
              onClick={() => onChoose(batch.batch_id)}
              className="flex w-full flex-wrap items-center gap-x-4 gap-y-1 px-2 py-2 text-left hover:bg-sunk aria-[current=true]:bg-selection"
            >
              <span className="flex w-28 shrink-0">
                <Status of={batch.status} />
              </span>
              <span className="min-w-0 flex-1 truncate font-medium">{batch.name ?? batch.batch_id}</span>
              <span className="w-24 shrink-0">
                <ShareBar
                  label={`${batch.name ?? batch.batch_id}: progress`}
                  total={batch.total}
                  parts={progressParts(batch)}
                />
              </span>
              <span className="w-20 shrink-0 text-right tabular-nums">{countText(batch.total)} rows</span>
              <span className="w-20 shrink-0 text-right text-12 text-muted">{agoText(batch.created, now)}</span>
            </button>
          </li>
        ))}
      </ul>
      {onMore && (
        <Button look="quiet" icon="down" className="mt-2" onClick={onMore}>
          Earlier batches
        </Button>
      )}
    </section>
  )
}
