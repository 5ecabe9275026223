import type { CollectionRun } from '../../../src/model/runs/collection-run.ts'
import { isOpen } from '../../data/run.ts'
import { plainText } from '../log/plain-text.ts'
import type { Stretch } from '../timeline/stretches.ts'
import type { Span } from '../timeline/time-scale.ts'

type Timed = Pick<CollectionRun, 'status' | 'created' | 'started' | 'ended'>

/** How the runs that a step started are listed. */
export const childOrders = [
  ['failed', 'failed first'],
  ['slowest', 'slowest first'],
  ['newest', 'newest first'],
] as const
export type ChildOrder = (typeof childOrders)[number][0]

/** When a run waited for its turn, and when it worked. */
export const stretchesOfRun = ({ created, started, ended }: Timed, now: number): Stretch[] => {
  const from = Date.parse(created)
  const to = ended === null ? Math.max(now, from) : Date.parse(ended)
  const begun = started === null ? to : Date.parse(started)
  return [
    ...(begun > from ? [{ kind: 'wait' as const, from, to: begun }] : []),
    ...(started === null ? [] : [{ kind: 'execute' as const, from: begun, to }]),
  ]
}

const workedMs = (run: Timed, now: number): number =>
  stretchesOfRun(run, now)
    .filter(({ kind }) => kind === 'execute')
    .reduce((sum, { from, to }) => sum + to - from, 0)

const ranks: Partial<Record<string, number>> = { failed: 0, running: 1, pending: 1 }

/** Sorts runs. `failed`: what failed, then what is at work, then the slowest. Lists come with the newest first. */
export const inOrder = <Run extends Timed>(runs: readonly Run[], order: ChildOrder, now: number): Run[] => {
  if (order === 'newest') return [...runs]
  const rank = ({ status }: Timed) => (order === 'failed' ? (ranks[status] ?? 2) : 0)
  return [...runs].sort((one, other) => rank(one) - rank(other) || workedMs(other, now) - workedMs(one, now))
}

/** From the first to the last moment of runs; an open one lasts until now. */
export const spanOfRuns = (runs: readonly Timed[], now: number): Span => {
  const begun = runs.map(({ created }) => Date.parse(created))
  const ended = runs.map((run) => (isOpen(run) || run.ended === null ? now : Date.parse(run.ended)))
  const from = begun.length === 0 ? now : Math.min(...begun)
  return { from, to: Math.max(from, ...ended) }
}

type Previewed = Pick<CollectionRun, 'trajectory_id' | 'input_preview' | 'labels'>

/** What stands between the members of a preview. */
const between = ' · '

/** What tells runs apart, by their id: the parts of their input that not all of them have, and their labels. */
export const distinctTexts = (runs: readonly Previewed[]): ReadonlyMap<string, string> => {
  const partsOf = ({ input_preview: preview, labels }: Previewed): string[] => [
    ...(preview === null ? [] : preview.split(between)),
    ...labels.map(({ key, value }) => (value === '' ? key : `${key}: ${value}`)),
  ]
  const counts = new Map<string, number>()
  for (const run of runs) for (const part of new Set(partsOf(run))) counts.set(part, (counts.get(part) ?? 0) + 1)
  const isShared = (part: string) => runs.length > 1 && counts.get(part) === runs.length
  return new Map(
    runs.map((run) => {
      const parts = partsOf(run).filter((part) => !isShared(part))
      return [run.trajectory_id, plainText(parts.join(between))]
    }),
  )
}
