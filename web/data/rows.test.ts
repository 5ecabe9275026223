import fc from 'fast-check'
import { expect, test } from 'vitest'
import { evenRows, unevenRows } from './rows.ts'

const heights = fc.array(fc.integer({ min: 1, max: 80 }), { minLength: 1, maxLength: 60 })

test('a place lies in the row that begins before it and ends after it', () => {
  fc.assert(
    fc.property(heights, fc.nat(5000), (all, place) => {
      const { count, topOf, rowAt } = unevenRows(all)
      const row = rowAt(place)
      expect(row).toBeLessThan(count)
      expect(topOf(row)).toBeLessThanOrEqual(place)
      if (place < topOf(count)) expect(topOf(row + 1)).toBeGreaterThan(place)
    }),
  )
})

test('rows of one height lie where uneven ones of that height do', () => {
  fc.assert(
    fc.property(fc.nat(40), fc.integer({ min: 1, max: 80 }), fc.nat(5000), (count, height, place) => {
      const even = evenRows(count, height)
      const uneven = unevenRows(Array.from({ length: count }, () => height))
      expect(even.rowAt(place)).toBe(uneven.rowAt(place))
      expect(even.topOf(count)).toBe(uneven.topOf(count))
    }),
  )
})
