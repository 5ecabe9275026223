import { spanIdOf, type TraceSampler, traceBelow, traceIdOf } from '../../lib/text/trace-context.ts'
import type { RunUnderLease } from './run-under-lease.ts'

/** Locates a run in its tree. The key of a child run is `<key of its parent>/<seq of the step>/<index>`. */
type InTree = Pick<RunUnderLease, 'key' | 'depth'>

/** The key of a run of a fan-out: it is the same however often the run is written. */
export const childKey = (parentKey: string, seq: number, index: number): string => `${parentKey}/${seq}/${index}`

/** Keys of the runs above a run, its parent first and the root last. */
export const keysAbove = ({ key, depth }: InTree): string[] => {
  const parts = key.split('/')
  return Array.from({ length: depth }, (_, level) => parts.slice(0, parts.length - 2 * (level + 1)).join('/'))
}

/** The key of the run that a request or a routine started, and that all others of the tree hang below. */
export const rootKey = ({ key, depth }: InTree): string => {
  let end = key.length
  for (let parts = 2 * depth; parts > 0; parts--) end = key.lastIndexOf('/', end - 1)
  return key.slice(0, end)
}

/**
 * The trace that a step passes on: the span of the step is the parent of what others do. `sampler` is undefined where no
 * spans are exported.
 */
export const traceOfStep = (
  sampler: TraceSampler | undefined,
  run: InTree & { readonly trace: string | null },
  seq: number,
): string | undefined =>
  traceBelow(run.trace, sampler, () => ({ traceId: traceIdOf(rootKey(run)), spanId: spanIdOf(`${run.key}/${seq}`) }))

/**
 * SQL: open runs below the keys in `$keys`, at any depth, or below the step `$seq` of them, as rows with the given
 * columns. Both parts are ranges of the index `runs_open_below`.
 */
export const openBelowKeys = (columns: string, keys: string, seq: string): string => {
  const prefix = `(k.key || coalesce('/' || ${seq}, ''))`
  return `unnest(${keys}) k(key) cross join lateral (
    select ${columns} from runs where parent_id = k.key and (${seq} is null or parent_seq = ${seq}) and ended_at is null
    union all
    select ${columns} from runs
    where parent_id ~>=~ (${prefix} || '/') and parent_id ~<~ (${prefix} || '0') and ended_at is null)`
}
