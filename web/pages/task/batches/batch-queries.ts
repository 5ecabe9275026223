import type { BatchSummary } from '../../../../src/model/runs/batch.ts'
import type { TaskPlaceProps } from '../place.ts'

export const batchQueries = {
  all: ({ collection, task }: TaskPlaceProps) => ['batches', collection, task],
  one: ({ collection, task }: TaskPlaceProps, id: string) => ['batches', collection, task, id],
}

/** Statuses in the order in which a bar shows them, with their colour. */
const parts = [
  ['completed', 'fill-ok'],
  ['failed', 'fill-bad'],
  ['running', 'fill-run'],
  ['cancelled', 'fill-idle'],
] as const

/** The parts of a bar that shows how far a batch is; what is left empty has not begun. */
export const progressParts = ({ counts }: Pick<BatchSummary, 'counts'>) =>
  parts.map(([name, fill]) => ({ name, fill, count: counts[name] ?? 0 }))
