import type { CollectionRun } from '../../../src/model/runs/collection-run.ts'
import type { CollectionNews } from '../../data/live-collection.ts'

/** One run among those of all tasks of a collection. */
export const runKey = ({ task, trajectory_id: id }: Pick<CollectionRun, 'task' | 'trajectory_id'>): string =>
  `${task}/${id}`

interface Page {
  runs: CollectionRun[]
}

interface Merged<P extends Page> {
  pages: P[]
  /** Runs that the list does not have and that may belong to it. */
  unseen: CollectionRun[]
}

/**
 * Puts changed runs in their places of a list and takes removed ones out. Rows never move: a run that a list of the
 * newest runs does not have is only reported, the newest last. Pages without a change stay the same objects.
 */
export const mergeNews = <P extends Page>(pages: P[], news: readonly CollectionNews[]): Merged<P> => {
  const changed = new Map<string, CollectionRun>()
  const removed = new Set<string>()
  for (const one of news) {
    if (one.kind === 'removed') for (const run of one.runs) removed.add(runKey(run))
    else changed.set(runKey(one.run), one.run)
  }
  const merged = pages.map((page) => {
    if (!page.runs.some((run) => changed.has(runKey(run)) || removed.has(runKey(run)))) return page
    const runs = page.runs.filter((run) => !removed.has(runKey(run))).map((run) => changed.get(runKey(run)) ?? run)
    return { ...page, runs }
  })
  for (const page of pages) for (const run of page.runs) changed.delete(runKey(run))
  const oldest = pages[0]?.runs[0]?.created
  const unseen = [...changed.values()].filter(
    (run) => !removed.has(runKey(run)) && (oldest === undefined || run.created >= oldest),
  )
  return { pages: merged, unseen }
}

/** Whether a value is within bounds, which the address has as texts; what is not known is within none. */
const isWithin = (value: number | null, least: string | undefined, most: string | undefined): boolean =>
  (least === undefined || (value !== null && value >= Number(least))) &&
  (most === undefined || (value !== null && value <= Number(most)))

/** Whether a new run belongs to the list, as far as its row says: a text is searched for by the server alone. */
export const mayBelong = (run: CollectionRun, list: ListLimits): boolean => {
  if (list.sort !== undefined || list.order !== undefined) return false
  const isLabelled = (filter: string) =>
    run.labels.some(({ key, value }) => filter === key || filter === `${key}:${value}`)
  const isOneOf = (names: readonly string[], name: string) => names.length === 0 || names.includes(name)
  return (
    isOneOf(list.status, run.status) &&
    isOneOf(list.task, run.task) &&
    isOneOf(list.trigger, run.trigger) &&
    isOneOf(list.author, run.author) &&
    isOneOf(list.waiting_for, run.waiting_for ?? '') &&
    isWithin(run.cost_usd, list.min_cost_usd, list.max_cost_usd) &&
    isWithin(run.duration_seconds, list.min_duration_seconds, list.max_duration_seconds) &&
    !list.status_not.includes(run.status) &&
    !list.task_not.includes(run.task) &&
    list.label.every(isLabelled) &&
    !list.label_not.some(isLabelled) &&
    !(list.top_level === true && run.trigger === 'parent')
  )
}

interface ListLimits {
  status: string[]
  status_not: string[]
  task: string[]
  task_not: string[]
  trigger: string[]
  author: string[]
  label: string[]
  label_not: string[]
  waiting_for: string[]
  min_cost_usd?: string
  max_cost_usd?: string
  min_duration_seconds?: string
  max_duration_seconds?: string
  top_level?: boolean
  /** Another order than the newest first has no place for a new run. */
  sort?: string
  order?: string
}
