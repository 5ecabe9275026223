import type { Direction } from '../../ui/sort-head.tsx'

/** What rows are sorted by: a text, or a number; null stands last in either direction. */
export type SortValue = string | number | null

export interface ListOrder {
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
export const sortedRows = <Row>(
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
export const rowsWith = <Row>(rows: readonly Row[], textOf: (row: Row) => string, typed: string): readonly Row[] => {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
  return words.length === 0
    ? rows
    : rows.filter((row) => words.every((word) => textOf(row).toLowerCase().includes(word)))
}
