import fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitBuckets } from '../../model/data/splits.ts'
import { bucketsOf, makeSplitOf, splitRanges } from './splits.ts'
import { bucketOf } from './store-items.ts'

const splitsArbitrary = fc.dictionary(
  fc.constantFrom('train', 'test', 'dev', 'a', 'b'),
  fc.integer({ min: 1, max: 1000 }),
  {
    minKeys: 1,
  },
)

test('splits cover all buckets without a gap, in proportion', () => {
  fc.assert(
    fc.property(splitsArbitrary, (splits) => {
      const ranges = splitRanges(splits)
      expect(ranges.map(({ name }) => name)).toEqual(Object.keys(splits))
      let from = 0
      const total = Object.values(splits).reduce((sum, one) => sum + one, 0)
      for (const { name, buckets } of ranges) {
        expect(buckets[0]).toBe(from)
        from = buckets[1]
        const share = ((splits[name] ?? 0) / total) * splitBuckets
        expect(Math.abs(buckets[1] - buckets[0] - share)).toBeLessThanOrEqual(1)
      }
      expect(from).toBe(splitBuckets)
    }),
  )
})

test('every id has one split, and keeps it', () => {
  const splitOf = makeSplitOf('{"train":80,"test":20}')
  const counts: Record<string, number> = {}
  for (let at = 0; at < 5000; at++) {
    const split = splitOf(bucketOf(`item-${at}`)) ?? ''
    counts[split] = (counts[split] ?? 0) + 1
  }
  expect(Object.keys(counts).sort()).toEqual(['test', 'train'])
  expect(counts.test).toBeGreaterThan(900)
  expect(counts.test).toBeLessThan(1100)
  expect([bucketOf('17'), bucketOf('item-1')]).toEqual([bucketOf('17'), bucketOf('item-1')])
})

test('an unknown split is named with the known ones', () => {
  expect(bucketsOf('{"train":1}', undefined)).toBeUndefined()
  expect(bucketsOf('{"train":1}', 'train')).toEqual([0, splitBuckets])
  expect(() => bucketsOf('{"train":1,"test":1}', 'dev')).toThrow("There is no split 'dev'; the splits are train, test")
  expect(() => bucketsOf(null, 'dev')).toThrow('The dataset has no splits')
  expect(makeSplitOf(null)(7)).toBeNull()
})
