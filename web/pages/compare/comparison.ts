import type { RunDifference, StepDifference, ValueDifference } from '../../../src/model/runs/run-difference.ts'

/** What one run has in a row, beside the base. */
export type ComparedCell =
  | { kind: 'same' }
  | { kind: 'missing' }
  | { kind: 'differs'; difference: StepDifference }
  /** The base has no such step. */
  | { kind: 'added'; difference: StepDifference }

/** A step of any of the runs; one cell for each run but the base. */
export interface ComparedStep {
  step: string
  isInBase: boolean
  cells: ComparedCell[]
  isSame: boolean
}

/** Parts of a step that are compared, in the order in which they are shown. */
export const comparedParts = ['outputs', 'inputs', 'config'] as const

const cellOf = (difference: StepDifference | undefined): ComparedCell => {
  if (!difference || (difference.in === 'both' && difference.same)) return { kind: 'same' }
  if (difference.in === 'left') return { kind: 'missing' }
  return { kind: difference.in === 'right' ? 'added' : 'differs', difference }
}

/** Lays the differences of several runs from one base side by side, by step, in the order of the base. */
export const stepRows = (differences: readonly (RunDifference | undefined)[]): ComparedStep[] => {
  const names: string[] = []
  const known = new Set<string>()
  for (const difference of differences) {
    let at = 0
    for (const { step } of difference?.steps ?? []) {
      if (known.has(step)) at = names.indexOf(step) + 1
      else {
        names.splice(at++, 0, step) // beside the step after which this run has it
        known.add(step)
      }
    }
  }
  const bySteps = differences.map((difference) => new Map(difference?.steps.map((one) => [one.step, one])))
  return names.map((step) => {
    const found = bySteps.map((steps) => steps.get(step))
    const cells = found.map(cellOf)
    const isInBase = found.some((one) => one !== undefined && one.in !== 'right')
    // A run without the step, where the base has none either, has nothing to compare.
    const shown = isInBase
      ? cells
      : cells.map((cell): ComparedCell => (cell.kind === 'same' ? { kind: 'missing' } : cell))
    return { step, isInBase, cells: shown, isSame: shown.every(({ kind }) => kind === 'same') }
  })
}

/** How a number changed: `−14 %`; undefined where it says nothing. */
export const changeText = (from: number | null | undefined, to: number | null | undefined): string | undefined => {
  if (typeof from !== 'number' || typeof to !== 'number' || from <= 0) return undefined
  const percent = Math.round((to / from - 1) * 100)
  if (percent === 0) return undefined
  return `${percent > 0 ? '+' : '−'}${Math.abs(percent)} %`
}

/** What differs in a step, in a few words. */
export const cellText = (cell: ComparedCell): string => {
  if (cell.kind === 'same') return '='
  if (cell.kind === 'missing') return '–'
  if (cell.kind === 'added') return 'only here'
  const { status, error, outputs, inputs, config } = cell.difference
  const parts = [
    status ? `${status.right ?? 'not run'}, not ${status.left ?? 'run'}` : undefined,
    !status && error ? 'another error' : undefined,
    outputs && pathsText('output', outputs),
    inputs && pathsText('input', inputs),
    config && 'config',
  ].filter((part) => part !== undefined)
  return parts.length === 0 ? '=' : parts.join(' · ')
}

const pathsText = (part: string, { paths, more_paths: more, clipped }: ValueDifference): string => {
  if (clipped) return part
  const [first] = paths
  if (paths.length === 1 && first !== '') return `${part}.${first}`
  return `${part} (${paths.length}${more ? '+' : ''} places)`
}

type Segment = string | number

/** Splits a path of a difference, such as `a.b[1]['odd key']`. */
export const pathSegments = (path: string): Segment[] =>
  [...path.matchAll(/\[(\d+)\]|\['(.*?)'\](?=[.[]|$)|([\w-]+)/g)].map(([, index, quoted, name]) =>
    index === undefined ? (quoted ?? name ?? '') : Number(index),
  )

/** The value at a path; undefined where there is none. */
export const valueAtPath = (value: unknown, path: string): unknown => {
  let current = value
  for (const segment of pathSegments(path)) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, segment)) return undefined
    current = (current as Record<Segment, unknown>)[segment]
  }
  return current
}

/** Storage path of the first picture that a value has at a path or below. */
export const pictureIn = (value: unknown, depth = 0): string | undefined => {
  if (typeof value === 'string') return /^[\w.-]+\/.*\.(png|jpe?g|gif|webp|avif|bmp)$/i.test(value) ? value : undefined
  if (typeof value !== 'object' || value === null || depth > 6) return undefined
  for (const part of Object.values(value).slice(0, 200)) {
    const found = pictureIn(part, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}
