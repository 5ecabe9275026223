import { Link } from '@tanstack/react-router'
import type { EvaluatedItem, Evaluation } from '../../../../src/model/runs/evaluation.ts'
import { countText } from '../../../text/count.ts'
import { Button } from '../../../ui/button.tsx'
import { SelectField } from '../../../ui/field.tsx'
import { StatusMark, statusWord } from '../../../ui/status.tsx'
import type { TaskPlaceProps } from '../place.ts'
import { type ItemFilter, itemFilters } from './evaluation-queries.ts'
import { changeMark, type ItemVerdict, verdictText } from './verdict-text.ts'

interface ItemListProps {
  place: TaskPlaceProps
  evaluation: Evaluation
  filter: ItemFilter
  onFilter: (filter: ItemFilter) => void
  onPage: (page: number) => void
}

/** The items of an evaluation with their verdicts. */
export const ItemList = ({ place, evaluation, filter, onFilter, onPage }: ItemListProps) => {
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
