import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { EvaluatedItem, Evaluation } from '../../../../src/model/runs/evaluation.ts'
import { api } from '../../../data/api.ts'
import { atStartText } from '../../../parts/estimate.tsx'
import { errorText, Problem } from '../../../parts/problem.tsx'
import { versionName } from '../../../parts/versions/version-meta.ts'
import { withPlaces } from '../../../parts/with-places.ts'
import { countText, usdText } from '../../../text/numbers.ts'
import { durationText } from '../../../text/times.ts'
import { Button } from '../../../ui/button.tsx'
import { SelectField } from '../../../ui/field.tsx'
import { Status, StatusMark, statusWord } from '../../../ui/status.tsx'
import { showToast } from '../../../ui/toast.tsx'
import type { TaskPlaceProps } from '../use-task.ts'

type Judged = Evaluation['judges'][number]
type Item = Evaluation['items'][number]
export type ItemVerdict = Item['verdicts'][string]

const shares = ({ categories, binary }: Pick<Judged, 'categories' | 'binary'>): boolean =>
  binary === true || categories !== undefined

const number = (value: number): string => String(Number(value.toFixed(3)))

/** A mean as people read it: a share in percent, a score as a number. */
export const meanText = (judge: Pick<Judged, 'categories' | 'binary'>, mean: number | null): string => {
  if (mean === null) return '–'
  return shares(judge) ? `${Number((mean * 100).toFixed(1))} %` : number(mean)
}

/** An interval of 95 %, without its name. */
export const intervalText = (judge: Pick<Judged, 'categories' | 'binary'>, interval: Judged['interval']): string =>
  interval === null ? '' : `${meanText(judge, interval.low)} to ${meanText(judge, interval.high)}`

/** How far a mean moved: `+0.2`, `−5 %`, `0`. */
export const meanChangeText = (judge: Pick<Judged, 'categories' | 'binary'>, difference: number | null): string => {
  if (difference === null) return '–'
  if (difference === 0) return 'no change'
  return `${difference > 0 ? '+' : '−'}${meanText(judge, Math.abs(difference))}`
}

/** What a judge found: its category, or its score. */
export const verdictText = ({ label, score, error, status }: ItemVerdict): string => {
  if (error !== null) return error
  if (label !== null) return label
  return score === null ? status : number(score)
}

/** Word and state of a change against the baseline. */
export const changeMark = (change: ItemVerdict['change']): { of: string; word: string } | undefined => {
  if (change === 'better') return { of: 'completed', word: 'better' }
  if (change === 'worse') return { of: 'failed', word: 'worse' }
  return change === 'changed' ? { of: 'waiting', word: 'changed' } : undefined
}

export const evaluationQueries = {
  all: ({ collection, task }: TaskPlaceProps) => ['evaluations', collection, task],
  one: ({ collection, task }: TaskPlaceProps, id: string) => ['evaluations', collection, task, id],
}

/** Which items of an evaluation are listed. */
const itemFilters = [
  ['all', 'All'],
  ['worse', 'Worse'],
  ['better', 'Better'],
  ['failed', 'Without a verdict'],
] as const
type ItemFilter = (typeof itemFilters)[number][0]

interface ItemListProps {
  place: TaskPlaceProps
  evaluation: Evaluation
  filter: ItemFilter
  onFilter: (filter: ItemFilter) => void
  onPage: (page: number) => void
}

/** The items of an evaluation with their verdicts. */
const ItemList = ({ place, evaluation, filter, onFilter, onPage }: ItemListProps) => {
  const { items, items_total: total, page, has_more: hasMore } = evaluation
  return (
    <section aria-label="Items">
      <div className="mb-1 flex flex-wrap items-center gap-3">
        <h3 className="mr-auto font-medium text-12 text-muted">
          {total === 1 ? '1 item' : `${countText(total)} items`}
        </h3>
        <SelectField
          label="Items"
          hidesLabel
          value={filter}
          options={itemFilters}
          onChange={(event) => onFilter(event.target.value as ItemFilter)}
        />
      </div>
      <ul className="divide-y divide-line border-line border-y">
        {items.map((item) => (
          <ItemRow key={item.key} place={place} item={item} />
        ))}
      </ul>
      {(page > 1 || hasMore) && (
        <div className="mt-2 flex items-center gap-2">
          <Button icon="left" disabled={page === 1} onClick={() => onPage(page - 1)}>
            Before
          </Button>
          <Button disabled={!hasMore} onClick={() => onPage(page + 1)}>
            Next
          </Button>
          <span className="text-12 text-muted">page {page}</span>
        </div>
      )}
    </section>
  )
}

const paramsText = (params: EvaluatedItem['init_params']): string => (params === null ? '' : JSON.stringify(params))

const ItemRow = ({ place, item }: { place: TaskPlaceProps; item: EvaluatedItem }) => (
  <li className="flex flex-wrap items-start gap-x-4 gap-y-1 px-2 py-1.5">
    <StatusMark of={item.status} label={statusWord(item.status)} className="mt-0.5" />
    <span className="min-w-40 flex-1">
      {item.trajectory_id === null ? (
        item.key
      ) : (
        <Link
          to="/$collection/$task/$id"
          params={{ ...place, id: item.trajectory_id }}
          className="font-medium text-accent"
        >
          {item.key}
        </Link>
      )}
      <span className="block truncate font-mono text-12 text-muted">{item.error ?? paramsText(item.init_params)}</span>
    </span>
    <span className="flex flex-wrap gap-x-4 gap-y-1">
      {Object.entries(item.verdicts).map(([judge, verdict]) => (
        <Verdict key={judge} judge={judge} verdict={verdict} />
      ))}
    </span>
  </li>
)

const Verdict = ({ judge, verdict }: { judge: string; verdict: ItemVerdict }) => {
  const mark = changeMark(verdict.change)
  return (
    <span title={verdict.explanation ?? undefined} className="inline-flex items-center gap-1">
      <span className="text-12 text-muted">{judge}</span>
      <span className={verdict.error === null ? 'font-medium' : 'text-bad'}>{verdictText(verdict)}</span>
      {mark && (
        <>
          <StatusMark of={mark.of} />
          <span className="text-12 text-muted">
            {mark.word}
            {verdict.before !== null && `, was ${verdict.before}`}
          </span>
        </>
      )}
    </span>
  )
}

interface JudgeTableProps {
  judges: Evaluation['judges']
  comparison: Evaluation['comparison']
}

const right = 'py-1 pl-4 text-right'

/** What each judge found over all items, and how that differs from the baseline. */
const JudgeTable = ({ judges, comparison }: JudgeTableProps) => {
  const isCompared = judges.some((judge) => judge.comparison !== null)
  return (
    <section aria-label="Judges">
      {comparison && (
        <p className="mb-2 text-12 text-muted">
          Against {comparison.evaluation_id}: {countText(comparison.matched)} items in both,{' '}
          {countText(comparison.newly_failed)} newly failed, {countText(comparison.newly_fixed)} newly fixed
        </p>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by keyboard */}
      <div className="overflow-x-auto" tabIndex={0} role="group" aria-label="Table of judges">
        <table className={`w-full ${isCompared ? 'min-w-120' : 'sm:min-w-120'}`}>
          <thead className="text-left text-11 text-muted">
            <tr>
              <th className="py-1 font-medium">Judge</th>
              <th className={`${right} font-medium`}>Mean</th>
              <th className={`${right} font-medium max-sm:hidden`}>95 %</th>
              <th className={`${right} font-medium`}>Verdicts</th>
              <th className={`${right} font-medium`}>Failed</th>
              {isCompared && <th className={`${right} font-medium`}>Change</th>}
              {isCompared && <th className={`${right} font-medium`}>Better, worse</th>}
            </tr>
          </thead>
          <tbody className="divide-y divide-line">
            {judges.map((judge) => (
              <tr key={judge.name}>
                <td className="py-1">
                  <span className="font-medium">{judge.name}</span>
                  <span
                    className="block max-w-80 truncate text-12 text-muted max-sm:max-w-36 max-sm:whitespace-normal"
                    title={judge.instruction}
                  >
                    {judge.counts
                      ? Object.entries(judge.counts)
                          .map(([category, count]) => `${category} ${countText(count)}`)
                          .join(' · ')
                      : judge.instruction}
                  </span>
                </td>
                <td className={`${right} font-semibold`}>{meanText(judge, judge.mean)}</td>
                <td className={`${right} whitespace-nowrap text-12 text-muted max-sm:hidden`}>
                  {intervalText(judge, judge.interval)}
                </td>
                <td className={right}>{countText(judge.n)}</td>
                <td className={right}>{judge.failed === 0 ? '–' : countText(judge.failed)}</td>
                {isCompared && (
                  <td
                    className={right}
                    title={judge.comparison?.judge_changed ? 'The judge is another one now' : undefined}
                  >
                    {meanChangeText(judge, judge.comparison?.mean_difference ?? null)}
                    {judge.comparison?.judge_changed && ' *'}
                  </td>
                )}
                {isCompared && (
                  <td className={right}>
                    {judge.comparison ? `${judge.comparison.better}, ${judge.comparison.worse}` : '–'}
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {judges.some((judge) => judge.comparison?.judge_changed) && (
        <p className="mt-1 text-12 text-muted">
          * The instruction, model or scale of the judge differs: compare with care.
        </p>
      )}
    </section>
  )
}

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

const baselineVersion = ({ comparison }: Evaluation): string =>
  comparison?.version ? ` at ${versionName(comparison.version)}` : ''

const factsOf = (evaluation: Evaluation): string =>
  [
    evaluation.version && versionName(evaluation.version),
    `${countText(evaluation.total)} rows`,
    evaluation.ended === null && `${Math.floor(evaluation.progress * 100)} % done`,
    evaluation.ended !== null && durationText(evaluation.duration_seconds),
    evaluation.cost_usd !== null && usdText(evaluation.cost_usd),
    atStartText(evaluation.estimate_usd),
    `judged: ${evaluation.output_path ?? 'the outputs of the last step'}`,
    evaluation.baseline !== null && `against ${evaluation.baseline}${baselineVersion(evaluation)}`,
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
