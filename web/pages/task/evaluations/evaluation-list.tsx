import type { api } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { agoText } from '../../../text/ago.ts'
import { countText } from '../../../text/count.ts'
import { Button } from '../../../ui/button.tsx'
import { Status } from '../../../ui/status.tsx'

/** An evaluation in a list. */
export type ListedEvaluation = Awaited<ReturnType<typeof api.listEvaluations>>['evaluations'][number]

interface EvaluationListProps {
  evaluations: readonly ListedEvaluation[]
  chosen: string | undefined
  onChoose: (id: string) => void
  onMore: (() => void) | undefined
}

/** The evaluations of a task, newest first. */
export const EvaluationList = ({ evaluations, chosen, onChoose, onMore }: EvaluationListProps) => {
  const now = useNow()
  return (
    <section aria-label="All evaluations">
      <h2 className="mb-1 font-medium text-12 text-muted">All evaluations</h2>
      <ul className="divide-y divide-line border-line border-y">
        {evaluations.map(({ evaluation_id: id, name, status, total, judges, created }) => (
          <li key={id}>
            <button
              type="button"
              aria-current={id === chosen}
              onClick={() => onChoose(id)}
              className="flex w-full flex-wrap items-center gap-x-4 gap-y-1 px-2 py-2 text-left hover:bg-sunk aria-[current=true]:bg-selection"
            >
              <span className="flex w-28 shrink-0">
                <Status of={status} />
              </span>
              <span className="min-w-0 flex-1 truncate font-medium">{name ?? id}</span>
              <span className="min-w-0 truncate text-12 text-muted max-sm:hidden">{judges.join(', ')}</span>
              <span className="w-20 shrink-0 text-right tabular-nums">{countText(total)} rows</span>
              <span className="w-20 shrink-0 text-right text-12 text-muted">{agoText(created, now)}</span>
            </button>
          </li>
        ))}
      </ul>
      {onMore && (
        <Button look="quiet" icon="down" className="mt-2" onClick={onMore}>
          Earlier evaluations
        </Button>
      )}
    </section>
  )
}
