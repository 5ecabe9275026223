import { memo, useEffect, useRef, useState } from 'react'
import { AddFilter } from '../../parts/filters/add-filter.tsx'
import { FilterChips } from '../../parts/filters/filter-chips.tsx'
import { isFiltered, noFilters, type RunFilters } from '../../parts/filters/run-filters.ts'
import { Button, IconButton } from '../../ui/button.tsx'
import { SelectField } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { useKeys } from '../../ui/keys.ts'

const spans = [
  ['', 'Any time'],
  ['1h', 'Last hour'],
  ['24h', 'Last 24 hours'],
  ['7d', 'Last 7 days'],
  ['30d', 'Last 30 days'],
] as const

const waitMs = 300

interface ToolbarProps {
  filters: RunFilters
  onChange: (filters: RunFilters) => void
  hasTasks: boolean
  isDense: boolean
  onDense: (isDense: boolean) => void
}

/** What the list is limited to, and how it looks. */
export const Toolbar = memo(({ filters, onChange, hasTasks, isDense, onDense }: ToolbarProps) => {
  const { since = '' } = filters
  const options = spans.some(([span]) => span === since) ? spans : [...spans, [since, `Last ${since}`] as const]
  return (
    <div className="flex shrink-0 flex-wrap items-center gap-2 border-line border-b px-4 py-2">
      <SearchField text={filters.q ?? ''} onChange={(q) => onChange(withText(filters, q))} />
      <FilterChips filters={filters} onChange={onChange} />
      <AddFilter filters={filters} onChange={onChange} hasTasks={hasTasks} />
      {isFiltered(filters) && (
        <Button look="quiet" onClick={() => onChange(noFilters)}>
          Clear
        </Button>
      )}
      <span className="flex-1 max-md:hidden" />
      <SelectField
        label="Time"
        hidesLabel
        value={since}
        boxClass="max-md:ml-auto"
        options={options}
        onChange={(event) => onChange(withSince(filters, event.target.value))}
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

const withText = ({ q: _, ...rest }: RunFilters, q: string): RunFilters => (q === '' ? rest : { ...rest, q })
const withSince = ({ since: _, ...rest }: RunFilters, since: string): RunFilters =>
  since === '' ? rest : { ...rest, since }

/** Searches while somebody types, a moment after the last letter. */
const SearchField = ({ text, onChange }: { text: string; onChange: (text: string) => void }) => {
  const field = useRef<HTMLInputElement>(null)
  const [typed, setTyped] = useState(text)
  const [seen, setSeen] = useState(text)
  if (seen !== text) {
    setSeen(text)
    setTyped(text)
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: only typing starts a search
  useEffect(() => {
    if (typed === text) return
    const timer = setTimeout(() => onChange(typed), waitMs)
    return () => clearTimeout(timer)
  }, [typed])
  useKeys('List of runs', [{ keys: '/', does: 'Search', run: () => field.current?.focus() }])
  return (
    <label className="flex h-7 w-64 min-w-0 items-center gap-1.5 rounded-m border border-line px-2 focus-within:border-accent max-md:w-full">
      <Icon name="search" className="text-faint" />
      <span className="sr-only">Search runs</span>
      <input
        ref={field}
        type="search"
        value={typed}
        placeholder="Search id, error, parameters"
        spellCheck={false}
        autoComplete="off"
        maxLength={200}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
        className="min-w-0 flex-1 bg-transparent outline-none placeholder:text-faint"
      />
      {typed === '' && <kbd className="font-sans text-11 text-faint max-md:hidden">/</kbd>}
    </label>
  )
}
