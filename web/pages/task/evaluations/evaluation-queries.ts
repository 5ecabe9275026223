import type { TaskPlaceProps } from '../place.ts'

export const evaluationQueries = {
  all: ({ collection, task }: TaskPlaceProps) => ['evaluations', collection, task],
  one: ({ collection, task }: TaskPlaceProps, id: string) => ['evaluations', collection, task, id],
}

/** Which items of an evaluation are listed. */
export const itemFilters = [
  ['all', 'All'],
  ['worse', 'Worse'],
  ['better', 'Better'],
  ['failed', 'Without a verdict'],
] as const
export type ItemFilter = (typeof itemFilters)[number][0]
