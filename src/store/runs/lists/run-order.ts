import type { RunSort } from '../../../model/runs/run-lists.ts'
import type { Parameters } from './run-filter.ts'

/** Order of a list of runs: newest, longest or dearest first, or the other way round. */
export interface RunOrder {
  by: RunSort
  isAscending: boolean
}

export const newest: RunOrder = { by: 'created', isAscending: false }

/** Position in a list: after the run with this place in the order and this number. */
export interface RunCursor {
  /** Microseconds since 1970, milliseconds that a run took, or US dollars. */
  place: string
  number: number
}

/** SQL expression: the milliseconds that a row `r` of runs took, of one that has begun and ended. */
export const runMilliseconds = 'elapsed_ms(r.started_at, r.ended_at)'
export const hasDuration = 'r.started_at is not null and r.ended_at is not null'

/** What a list is ordered by, as SQL on a row `r` of runs, and as text of a cursor. */
const places = {
  created: {
    place: 'r.created_at',
    present: [] as string[],
    text: (place: string) => `(extract(epoch from ${place}) * 1000000)::bigint::text`,
    value: (parameter: (type: string) => string) =>
      `to_timestamp(0) + ${parameter('bigint')} * interval '1 microsecond'`,
  },
  duration: {
    place: runMilliseconds,
    present: [hasDuration],
    text: (place: string) => `${place}::text`,
    value: (parameter: (type: string) => string) => parameter('bigint'),
  },
  cost: {
    place: 'r.cost_usd',
    present: ['r.cost_usd > 0'],
    text: (place: string) => `${place}::text`,
    value: (parameter: (type: string) => string) => parameter('float8'),
  },
}

/** SQL expression: the place of a row of runs in the order. */
export const placeOf = ({ by }: RunOrder): string => places[by].place

/** Conditions on a row `r` of runs that has a place in the order. */
export const hasPlace = ({ by }: RunOrder): string[] => places[by].present

/** SQL expression: a place as a cursor has it. */
export const placeText = ({ by }: RunOrder, place: string): string => places[by].text(place)

/** SQL to sort rows that have a `place` and a `number`. */
export const sorted = ({ isAscending }: RunOrder, row = ''): string => {
  const direction = isAscending ? 'asc' : 'desc'
  return `order by ${row}place ${direction}, ${row}number ${direction}`
}

/** SQL operator: a row on the left comes after the one on the right. */
export const comesAfter = ({ isAscending }: RunOrder): string => (isAscending ? '>' : '<')

/** SQL condition for rows after a cursor, of which the place and number are given as SQL. */
export const afterCursor = ({ put }: Parameters, order: RunOrder, after: RunCursor) => {
  const value = places[order.by].value((type) => put(after.place, type))
  const number = put(after.number, 'bigint')
  return (place: string, of: string): string => `(${place}, ${of}) ${comesAfter(order)} (${value}, ${number})`
}
