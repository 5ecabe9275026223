import type { Batch, BatchSummary } from '../../../../src/model/runs/batch.ts'
import type { TaskPlaceProps } from '../place.ts'

export const batchQueries = {
  all: ({ collection, task }: TaskPlaceProps) => ['batches', collection, task],
  one: ({ collection, task }: TaskPlaceProps, id: string) => ['batches', collection, task, id],
}

/** How often an open batch is asked for. */
const askAgainMs = 1_000

/** Asks again while a batch goes on; an ended one never changes. */
export const whileOpen = ({ state }: { state: { data?: Pick<Batch, 'ended'> | undefined; error: unknown } }) =>
  state.error || state.data?.ended !== null ? false : askAgainMs

/** Asks for a list again while something in it goes on. */
export const whileAnyOpen = (listed: readonly { ended: string | null }[]) =>
  listed.some(({ ended }) => ended === null) ? 2 * askAgainMs : false

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
