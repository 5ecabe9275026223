import { invalidField } from '../../lib/errors.ts'
import { type Splits, splitBuckets } from '../../model/data/splits.ts'

/** A split: its name, its first bucket, and the one after its last. */
interface Split {
  name: string
  buckets: readonly [number, number]
}

/** The buckets of each split, in the order of their names in the dataset; the last split has what rounding leaves. */
export const splitRanges = (splits: Splits): Split[] => {
  const entries = Object.entries(splits)
  const total = entries.reduce((sum, [, share]) => sum + share, 0)
  let used = 0
  let from = 0
  return entries.map(([name, share], at) => {
    used += share
    const to = at === entries.length - 1 ? splitBuckets : Math.round((used / total) * splitBuckets)
    const split = { name, buckets: [from, to] as const }
    from = to
    return split
  })
}

const rangesOf = (text: string | null): Split[] => (text === null ? [] : splitRanges(JSON.parse(text) as Splits))

/** Makes the function that names the split of a bucket; null without splits. */
export const makeSplitOf = (text: string | null): ((bucket: number) => string | null) => {
  const ranges = rangesOf(text)
  return (bucket) => ranges.find(({ buckets: [from, to] }) => bucket >= from && bucket < to)?.name ?? null
}

/** The buckets of a split by its name; undefined when none is asked for. Throws a 422 that lists the splits. */
export const bucketsOf = (
  text: string | null,
  name: string | undefined,
  loc: (string | number)[] = ['query', 'split'],
): readonly [number, number] | undefined => {
  if (name === undefined) return undefined
  const ranges = rangesOf(text)
  const found = ranges.find((one) => one.name === name)
  if (found) return found.buckets
  const known = ranges.map((one) => one.name).join(', ')
  throw invalidField(
    loc,
    known === ''
      ? `The dataset has no splits; set them with {"splits": {"train": 80, "test": 20}}`
      : `There is no split '${name}'; the splits are ${known}`,
    'unknown_split',
  )
}
