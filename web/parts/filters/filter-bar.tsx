import { Suspense, useEffect } from 'react'
import { lazyPart } from '../../data/server-away.ts'
import { buttonClass } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { Popover } from '../../ui/popover.tsx'
import type { FilterBoxProps } from './filter-box.tsx'
import { canNegate, chipsOf, type FilterChip, negatedFilter, type RunFilters, withoutFilter } from './run-filters.ts'

interface FilterChipsProps {
  filters: RunFilters
  onChange: (filters: RunFilters) => void
}

/** The restrictions of a list, each of which can be turned into its opposite or taken away. */
export const FilterChips = ({ filters, onChange }: FilterChipsProps) => (
  <>
    {chipsOf(filters).map((chip) => (
      <Chip
        key={`${chip.name} ${chip.value}`}
        chip={chip}
        onNegate={() => onChange(negatedFilter(filters, chip))}
        onRemove={() => onChange(withoutFilter(filters, chip))}
      />
    ))}
  </>
)

const Chip = ({ chip, onNegate, onRemove }: { chip: FilterChip; onNegate: () => void; onRemove: () => void }) => {
  const text = `${chip.field}: ${chip.isNot ? 'not ' : ''}${chip.text}`
  const label = (
    <>
      <span className="text-muted">{chip.field}:</span>
      {chip.isNot && <span className="font-medium text-bad">not</span>}
      <span className="max-w-40 truncate">{chip.text}</span>
    </>
  )
  return (
    <span className="inline-flex h-7 shrink-0 items-center rounded-m border border-line bg-sunk text-12">
      {canNegate(chip) ? (
        <button
          type="button"
          title={chip.isNot ? 'Show only these' : 'Show all but these'}
          onClick={onNegate}
          className="inline-flex h-full items-center gap-1 pl-2"
        >
          {label}
        </button>
      ) : (
        <span className="inline-flex items-center gap-1 pl-2">{label}</span>
      )}
      <button
        type="button"
        aria-label={`Remove the filter ${text}`}
        onClick={onRemove}
        className="inline-flex h-full items-center px-1.5 text-faint hover:text-text"
      >
        <Icon name="cross" className="size-3" />
      </button>
    </span>
  )
}

const loadBox = () => import('./filter-box.tsx')
const FilterBox = lazyPart(loadBox)

/** A button that opens what a list can be limited to, which comes after the page. */
export const AddFilter = (props: Omit<FilterBoxProps, 'close'>) => {
  useEffect(() => void loadBox().catch(() => {}), [])
  return (
    <Popover
      className={buttonClass('quiet')}
      boxClass="w-76 p-3"
      button={
        <>
          <Icon name="plus" /> Filter
        </>
      }
    >
      {(close) => (
        <Suspense>
          <FilterBox {...props} close={close} />
        </Suspense>
      )}
    </Popover>
  )
}
