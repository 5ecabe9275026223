import { type ReactNode, useMemo, useState } from 'react'
import { useNarrow } from '../../data/browser.ts'
import { useStored, writeStored } from '../../data/stored.ts'
import { SelectField, TextField } from '../../ui/field.tsx'
import { type Direction, SortHead } from '../../ui/sort-head.tsx'
import { PageLink } from '../page-link.tsx'

/** What rows are sorted by: a text, or a number; null stands last in either direction. */
type SortValue = string | number | null

interface ListOrder {
  /** Name of the column. */
  by: string
  direction: Direction
}

/** Reads an order as it is stored: `runs desc`. */
export const readOrder = (text: string | undefined, columns: readonly string[], otherwise: ListOrder): ListOrder => {
  const [, by, direction] = /^(.+) (asc|desc)$/.exec(text ?? '') ?? []
  return by !== undefined && columns.includes(by) ? { by, direction: direction as Direction } : otherwise
}

/** The order after the head of a column was pressed: numbers begin with the largest, texts with the first. */
export const nextOrder = (order: ListOrder, by: string, isNumber: boolean): ListOrder => {
  if (order.by === by) return { by, direction: order.direction === 'asc' ? 'desc' : 'asc' }
  return { by, direction: isNumber ? 'desc' : 'asc' }
}

const compare = (one: string | number, other: string | number): number =>
  typeof one === 'number' && typeof other === 'number'
    ? one - other
    : String(one).localeCompare(String(other), 'en', { numeric: true, sensitivity: 'base' })

/** Sorts rows by a value of each; rows with the same value stay in their order. */
export const sortedRows = <Row,>(
  rows: readonly Row[],
  sortValue: (row: Row) => SortValue,
  direction: Direction,
): Row[] => {
  const sign = direction === 'asc' ? 1 : -1
  return rows
    .map((row) => ({ row, value: sortValue(row) }))
    .sort(({ value: one }, { value: other }) =>
      one === null || other === null ? Number(one === null) - Number(other === null) : sign * compare(one, other),
    )
    .map(({ row }) => row)
}

/** The rows whose text has each of some words, in upper or lower case. */
export const rowsWith = <Row,>(rows: readonly Row[], textOf: (row: Row) => string, typed: string): readonly Row[] => {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
  return words.length === 0
    ? rows
    : rows.filter((row) => words.every((word) => textOf(row).toLowerCase().includes(word)))
}

interface ListColumn<Row> {
  name: string
  /** What the list is sorted by; a column without it only shows something. */
  by?: (row: Row) => SortValue
  isNumber?: boolean
  /** Classes of its cells. */
  className?: string
  cell: (row: Row) => ReactNode
}

interface SortedListProps<Row> {
  /** What the rows are, in the plural: `collections`. */
  noun: string
  rows: readonly Row[]
  keyOf: (row: Row) => string | number
  /** Where a row leads; a row without it only shows something. */
  hrefOf?: (row: Row) => string
  /** Stands at the end of a row, beside its link. */
  trail?: (row: Row) => ReactNode
  /** What is searched. */
  textOf: (row: Row) => string
  columns: readonly ListColumn<Row>[]
  /** Widths of the columns in a wide window: a class of Tailwind. In a narrow one cells stand beside and below each other. */
  grid: string
  /** Order before somebody chose another one. */
  first: ListOrder
  actions?: ReactNode
  /** The page has a search of its own. */
  hidesSearch?: boolean
}

/** Fewer rows need no search. */
const fewRows = 8

/** A list that is loaded whole, mostly of links: searched and sorted in the page; the browser remembers the order. */
export const SortedList = <Row,>(props: SortedListProps<Row>) => {
  const { noun, rows, keyOf, hrefOf, textOf, columns, grid, first, actions, hidesSearch = false, trail } = props
  const isNarrow = useNarrow()
  const [typed, setTyped] = useState('')
  const stored = useStored(`sort ${noun}`)
  const sortable = columns.filter(({ by }) => by !== undefined)
  const names = sortable.map(({ name }) => name)
  const order = readOrder(stored, names, first)
  const by = sortable.find(({ name }) => name === order.by)?.by
  const choose = ({ by: name, direction }: ListOrder) => writeStored(`sort ${noun}`, `${name} ${direction}`)
  const found = useMemo(() => rowsWith(rows, textOf, typed), [rows, textOf, typed])
  const shown = by === undefined ? found : sortedRows(found, by, order.direction)
  const hasSearch = !hidesSearch && rows.length > fewRows
  return (
    <div>
      {(hasSearch || actions || isNarrow) && (
        <div className="mb-2 flex flex-wrap items-center gap-2">
          {hasSearch && (
            <TextField
              label={`Search ${noun}`}
              hidesLabel
              type="search"
              boxClass="w-64 max-w-full max-md:w-full"
              placeholder={`Search ${rows.length} ${noun}`}
              value={typed}
              onChange={(event) => setTyped(event.target.value)}
            />
          )}
          {isNarrow && (
            <SelectField
              label="Sort"
              hidesLabel
              value={`${order.by} ${order.direction}`}
              options={sortable.flatMap(({ name, isNumber = false }) => {
                const one = nextOrder({ by: '', direction: 'asc' }, name, isNumber)
                return [one, nextOrder(one, name, isNumber)].map(
                  ({ direction }) => [`${name} ${direction}`, `${name} ${direction === 'asc' ? '↑' : '↓'}`] as const,
                )
              })}
              onChange={(event) => choose(readOrder(event.target.value, names, first))}
            />
          )}
          <span className="flex-1" />
          {actions}
        </div>
      )}
      {!isNarrow && (
        <div className={`grid items-center gap-x-4 px-2 pb-1 text-11 text-muted ${grid} ${trail ? 'mr-9' : ''}`}>
          {columns.map(({ name, by: value, isNumber = false }) => (
            <span key={name} className={`min-w-0 ${isNumber ? 'text-right' : ''}`}>
              {value === undefined ? (
                name
              ) : (
                <SortHead
                  text={name}
                  isNumber={isNumber}
                  direction={order.by === name ? order.direction : undefined}
                  onSort={() => choose(nextOrder(order, name, isNumber))}
                />
              )}
            </span>
          ))}
        </div>
      )}
      <ul aria-label={noun} className="divide-y divide-line border-line border-y">
        {shown.map((row) => (
          <li key={keyOf(row)} className="flex items-center">
            <RowBox
              href={hrefOf?.(row)}
              className={`min-w-0 flex-1 px-2 py-2 ${isNarrow ? 'flex flex-wrap items-center gap-x-4 gap-y-1' : `grid items-center gap-x-4 ${grid}`}`}
            >
              {columns.map(({ name, isNumber = false, className = '', cell }, at) => (
                <span
                  key={name}
                  className={`min-w-0 ${isNarrow && at === 0 ? 'basis-full' : ''} ${isNumber && !isNarrow ? 'text-right' : ''} ${className}`}
                >
                  {cell(row)}
                </span>
              ))}
            </RowBox>
            {trail && <span className="w-9 shrink-0">{trail(row)}</span>}
          </li>
        ))}
      </ul>
      {shown.length === 0 && rows.length > 0 && (
        <p role="status" className="px-2 py-4 text-muted">
          None of the {rows.length} {noun} has “{typed}”.
        </p>
      )}
    </div>
  )
}

const RowBox = ({ href, className, children }: { href: string | undefined; className: string; children: ReactNode }) =>
  href === undefined ? (
    <div className={className}>{children}</div>
  ) : (
    <PageLink href={href} className={`hover:bg-sunk ${className}`}>
      {children}
    </PageLink>
  )
