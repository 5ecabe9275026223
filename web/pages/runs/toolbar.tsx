import { memo } from 'react'
import { AddFilter } from '../../parts/filters/add-filter.tsx'
import { FilterChips } from '../../parts/filters/filter-chips.tsx'
import { isFiltered, type RunFilters, sortedBy, sorts, withoutLimits } from '../../parts/filters/run-filters.ts'
import { SearchField } from '../../parts/search-field.tsx'
import { Button, IconButton } from '../../ui/button.tsx'
import { SelectField } from '../../ui/field.tsx'

const spans = [
  ['', 'Any time'],
  ['1h', 'Last hour'],
  ['24h', 'Last 24 hours'],
  ['7d', 'Last 7 days'],
  ['30d', 'Last 30 days'],
] as const

interface ToolbarProps {
  filters: RunFilters
  onChange: (filters: RunFilters) => void
  hasTasks: boolean
  /** Models of the runs that are listed. */
  models: readonly string[]
  isDense: boolean
  onDense: (isDense: boolean) => void
}

/** What the list is limited to, and how it looks. */
export const Toolbar = memo(({ filters, onChange, hasTasks, models, isDense, onDense }: ToolbarProps) => {
  const { since = '' } = filters
  const options = spans.some(([span]) => span === since) ? spans : [...spans, [since, `Last ${since}`] as const]
  return (
    <div className="flex shrink-0 flex-wrap items-center gap-2 border-line border-b px-4 py-2">
      <SearchField
        label="Search runs"
        placeholder="Search id, error, parameters"
        place="List of runs"
        text={filters.q ?? ''}
        onChange={(q) => onChange(withText(filters, q))}
      />
      <FilterChips filters={filters} onChange={onChange} />
      <AddFilter filters={filters} onChange={onChange} hasTasks={hasTasks} models={models} />
      {isFiltered(filters) && (
        <Button look="quiet" onClick={() => onChange(withoutLimits(filters))}>
          Clear
        </Button>
      )}
      <span className="flex-1 max-md:hidden" />
      <SelectField
        label="Time"
        hidesLabel
        value={since}
        boxClass="max-md:ml-auto max-md:w-32"
        options={options}
        onChange={(event) => onChange(withSince(filters, event.target.value))}
      />
      <SelectField
        label="Sort"
        hidesLabel
        value={`${filters.sort ?? 'created'} ${filters.order ?? 'desc'}`}
        boxClass="w-36 md:hidden"
        options={orders}
        onChange={(event) => onChange(withOrder(filters, event.target.value))}
      />
      <IconButton
        icon="rows"
        label={isDense ? 'Comfortable rows' : 'Dense rows'}
        aria-pressed={isDense}
        onClick={() => onDense(!isDense)}
        className="max-md:hidden"
      />
    </div>
  )
})

const orders = [
  ['created desc', 'Newest first'],
  ['created asc', 'Oldest first'],
  ['duration desc', 'Longest first'],
  ['duration asc', 'Shortest first'],
  ['cost desc', 'Most expensive first'],
  ['cost asc', 'Cheapest first'],
] as const

const withOrder = (filters: RunFilters, order: string): RunFilters => {
  const [by = 'created', direction] = order.split(' ')
  const sort = sorts.find((one) => one === by) ?? 'created'
  const { order: _, ...sorted } = sortedBy(filters, sort)
  return direction === 'asc' ? { ...sorted, order: 'asc' } : sorted
}

const withText = ({ q: _, ...rest }: RunFilters, q: string): RunFilters => (q === '' ? rest : { ...rest, q })
const withSince = ({ since: _, ...rest }: RunFilters, since: string): RunFilters =>
  since === '' ? rest : { ...rest, since }
