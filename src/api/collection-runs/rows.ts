import { csvRow } from '../../lib/text/csv.ts'
import { timestamp, timestampOrNull } from '../../lib/time.ts'
import { type CollectionRun, collectionRunSchema } from '../../model/runs/collection-run.ts'
import { type RunStatus, runStatuses } from '../../model/workflows/workflow.ts'
import type { ChildCounts, ListRow } from '../../store/runs/lists/run-row.ts'
import { identityOf, secondsBetween, trajectoryUrl } from '../trajectories/document.ts'
import { waitingOf } from '../trajectories/waiting.ts'

const longestPreview = 120
const longestValue = 60

const value = /"(?:[^"\\]|\\.)*"?|[\w.+-]+/y
const space = /[\s,:{}]*/y

/** Reads what stands at a place of a text. */
const at = (pattern: RegExp, text: string, place: number): string => {
  pattern.lastIndex = place
  return pattern.exec(text)?.[0] ?? ''
}

/** A JSON string as people read it, in one line. Of one that is cut off the beginning is read. */
const plain = (json: string): string => {
  if (!json.startsWith('"')) return json
  const body = json.slice(1, json.length > 1 && json.endsWith('"') ? -1 : undefined)
  try {
    return JSON.parse(`"${body.replace(/\\[^"]?[0-9a-f]{0,3}$/i, '')}"`).replace(/\s+/g, ' ')
  } catch {
    return body
  }
}

/** The place behind a list; strings in it may hold brackets. */
const behindList = (text: string, from: number): number => {
  let depth = 0
  for (let place = from; place < text.length; ) {
    const sign = text[place]
    if (sign === '"') {
      place += Math.max(1, at(value, text, place).length)
      continue
    }
    if (sign === '[') depth++
    if (sign === ']' && --depth === 0) return place + 1
    place++
  }
  return text.length
}

const clipped = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text)

/**
 * Makes a line out of the beginning of JSON: the members that are no object, of whatever depth, as `name: order 3 · n: 3`.
 * A list is only named. An `item` that is no object stands alone.
 */
export const inputPreview = (json: string): string | null => {
  const parts: string[] = []
  let place = at(space, json, 0).length
  while (place < json.length && parts.join(' · ').length < longestPreview) {
    const key = at(value, json, place)
    if (key === '') break
    place += key.length
    const gap = at(space, json, place)
    place += gap.length
    if (gap.includes('{') || gap.includes('}')) continue // an object has members of its own, or none
    const isList = json[place] === '['
    const shown = isList ? '[…]' : clipped(plain(at(value, json, place)), longestValue)
    place = isList ? behindList(json, place) : place + at(value, json, place).length
    if (shown !== '') parts.push(key === '"item"' ? shown : `${plain(key)}: ${shown}`)
    place += at(space, json, place).length
  }
  return parts.length === 0 ? null : clipped(parts.join(' · '), longestPreview)
}

export interface RowDeps {
  definitions: (hash: string) => Promise<{ stepCount: number }>
  links: { readonly publicUrl: string }
}

/** Converts runs for a list. */
export const collectionRuns = (deps: RowDeps, rows: ListRow[]): Promise<CollectionRun[]> =>
  Promise.all(
    rows.map(async (row) =>
      collectionRun(row, (await deps.definitions(row.definition)).stepCount, deps.links.publicUrl),
    ),
  )

/** Numbers by status with a zero for each missing one. */
export const everyStatus = (counts: Partial<Record<RunStatus, number>>): Record<RunStatus, number> =>
  Object.fromEntries(runStatuses.map((status) => [status, counts[status] ?? 0])) as Record<RunStatus, number>

const childrenOf = ({ children }: ListRow): CollectionRun['children'] => {
  if (children === null) return null
  const { begun, others } = JSON.parse(children) as ChildCounts
  const rest = Object.values(others).reduce((sum, total) => sum + total, 0)
  const counts = { ...others, completed: Math.max(0, begun - rest) }
  return { total: begun, by_status: everyStatus(counts) }
}

const waitingFor = (run: ListRow, children: CollectionRun['children']): CollectionRun['waiting_for'] => {
  if (run.ended_at) return null
  if (run.waiting !== null) return 'approval'
  if (run.status === 'pending') return 'turn'
  if (children && children.by_status.pending + children.by_status.running > 0) return 'children'
  const [, waiting, forEvent] = run.steps_seen ?? []
  if (!waiting) return null
  return forEvent ? 'event' : 'time'
}

const collectionRun = (run: ListRow, stepCount: number, publicUrl: string): CollectionRun => {
  const children = childrenOf(run)
  const done = run.steps_seen?.[0] ?? 0
  return {
    ...headOf(run, publicUrl),
    waiting: waitingOf(run),
    trigger: run.trigger,
    task_version: run.version,
    version_number: run.version_number,
    tokens: run.tokens,
    steps: { done, total: Math.max(stepCount, done) },
    waiting_for: waitingFor(run, children),
    input_preview: run.input_beginning === null ? null : inputPreview(run.input_beginning),
    children,
  }
}

const headOf = (run: ListRow, publicUrl: string) => ({
  ...identityOf(run),
  status: run.status,
  error: run.error,
  created: timestamp(run.created_at),
  started: timestampOrNull(run.started_at),
  ended: timestampOrNull(run.ended_at),
  duration_seconds: secondsBetween(run.started_at, run.ended_at),
  cost_usd: run.cost_usd,
  models: JSON.parse(run.models),
  labels: JSON.parse(run.labels),
  author: run.author,
  recorded_by: run.recorded_by,
  params: run.params === null ? {} : JSON.parse(run.params),
  triggered_by_routine_id: run.routine_id,
  url: trajectoryUrl(run, publicUrl),
})

const columns = Object.keys(collectionRunSchema.shape) as (keyof CollectionRun)[]

/** Formats of an export: the header and one line for each run. */
export const exportLines = {
  jsonl: { head: '', line: (run: CollectionRun) => `${JSON.stringify(run)}\n` },
  csv: { head: csvRow(columns), line: (run: CollectionRun) => csvRow(columns.map((column) => run[column])) },
}
