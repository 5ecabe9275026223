import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { Evaluation } from '../../../../src/model/runs/evaluation.ts'
import { api } from '../../../data/api.ts'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { withPlaces } from '../../../parts/with-places.ts'
import { usdText } from '../../../text/cost.ts'
import { countText } from '../../../text/count.ts'
import { durationText } from '../../../text/duration.ts'
import { Button } from '../../../ui/button.tsx'
import { Status, StatusMark } from '../../../ui/status.tsx'
import { showToast } from '../../../ui/toast.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { evaluationQueries, type ItemFilter } from './evaluation-queries.ts'
import { ItemList } from './item-list.tsx'
import { JudgeTable } from './judge-table.tsx'

interface EvaluationViewProps {
  place: TaskPlaceProps
  id: string
  mayWrite: boolean
}

const pageSize = 25
const askAgainMs = 1_500

/** One evaluation: what its judges found, also against the baseline, and its items. */
export const EvaluationView = ({ place, id, mayWrite }: EvaluationViewProps) => {
  const [items, setItems] = useState<ItemFilter>('all')
  const [page, setPage] = useState(1)
  const params = { collection: place.collection, evaluation_id: id }
  const { data, error, refetch } = useQuery({
    queryKey: [...evaluationQueries.one(place, id), items, page],
    queryFn: ({ signal }) => api.getEvaluation({ params, query: { items, page, limit: pageSize }, signal }),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (state.error || state.data?.ended !== null ? false : askAgainMs),
  })
  const cancel = useMutation({
    mutationFn: () => api.cancelEvaluation({ params }),
    onSuccess: () => refetch(),
    onError: (thrown) => showToast({ text: errorText(thrown), isBad: true }),
  })
  if (error && !data) return <Problem error={error} onRetry={() => void refetch()} />
  if (!data) return null
  return (
    <section
      aria-label={`Evaluation ${data.name ?? id}`}
      className="flex flex-col gap-4 rounded-l border border-line p-4"
    >
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <h2 className="min-w-0 truncate font-semibold text-15">{data.name ?? id}</h2>
        <Status of={data.status} />
        <span className="mr-auto" />
        {data.ended === null && mayWrite && (
          <Button icon="stop" disabled={cancel.isPending} onClick={() => cancel.mutate()}>
            Cancel
          </Button>
        )}
      </div>
      <p className="text-12 text-muted">{factsOf(data)}</p>
      {data.error && <p className="break-words text-bad">{data.error}</p>}
      <Thresholds evaluation={data} />
      <JudgeTable judges={data.judges} comparison={data.comparison} />
      <ItemList
        place={place}
        evaluation={data}
        filter={items}
        onFilter={(filter) => {
          setItems(filter)
          setPage(1)
        }}
        onPage={setPage}
      />
    </section>
  )
}

const factsOf = (evaluation: Evaluation): string =>
  [
    `${countText(evaluation.total)} rows`,
    evaluation.ended === null && `${Math.floor(evaluation.progress * 100)} % done`,
    evaluation.ended !== null && durationText(evaluation.duration_seconds),
    evaluation.cost_usd !== null && usdText(evaluation.cost_usd),
    `judged: ${evaluation.output_path ?? 'the outputs of the last step'}`,
    evaluation.baseline !== null && `against ${evaluation.baseline}`,
    `by ${evaluation.author}`,
  ]
    .filter(Boolean)
    .join(' · ')

const Thresholds = ({ evaluation: { thresholds, passed } }: { evaluation: Evaluation }) => {
  if (thresholds.length === 0) return null
  return (
    <section aria-label="Thresholds">
      <h3 className="mb-1 font-medium text-12 text-muted">
        {passed === null ? 'Thresholds so far' : passed ? 'All thresholds are met' : 'A threshold is missed'}
      </h3>
      <ul>
        {withPlaces(thresholds).map(({ element, place }) => (
          <li key={place} className="flex items-start gap-2">
            <StatusMark
              of={element.passed ? 'completed' : 'failed'}
              label={element.passed ? 'met' : 'missed'}
              className="mt-0.5"
            />
            <span className="min-w-0 break-words">
              <span className="font-medium">{element.judge}</span> {element.reason}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}
