import type { Span } from './time-scale.ts'

/** A column of the strip above a timeline. */
export interface Density {
  /** Steps at work, at most within the column. */
  busy: number
  /** Whether a step failed here. */
  failed: boolean
}

/**
 * Counts the spans in each of `columns` equal parts of a strip. `place` maps a moment to 0..1. Takes time for the spans and
 * the columns, not their product.
 */
export const densityOf = (
  spans: readonly (Span & { failed?: boolean })[],
  place: (moment: number) => number,
  columns: number,
): Density[] => {
  const change = new Array<number>(columns + 1).fill(0)
  const failed = new Array<boolean>(columns).fill(false)
  const columnOf = (moment: number) => Math.min(columns - 1, Math.max(0, Math.floor(place(moment) * columns)))
  for (const span of spans) {
    const first = columnOf(span.from)
    const last = Math.max(first, columnOf(span.to))
    change[first]! += 1
    change[last + 1]! -= 1
    if (span.failed) failed[last] = true
  }
  let busy = 0
  return failed.map((bad, at) => {
    busy += change[at]!
    return { busy, failed: bad }
  })
}
