import { expect, it } from 'vitest'
import { placementLabels, placementOf, placementsWithin } from './placement.ts'

it.each([
  [[], null],
  [['gpu'], 'gpu'],
  [['gpu', 'eu', 'gpu'], 'eu,gpu'],
])('stores %j as %j', (labels, placement) => {
  expect(placementOf(labels)).toBe(placement)
  expect(placementLabels(placement)).toEqual([...new Set(labels)].sort())
})

it('lists the placements that labels satisfy, as they are stored', () => {
  expect(placementsWithin([])).toEqual([])
  expect(placementsWithin(['b', 'a', 'b'])).toEqual(['a', 'b', 'a,b'])
  const eight = [...'hgfedcba']
  const all = placementsWithin(eight)
  expect(new Set(all).size).toBe(255)
  expect(all.every((one) => placementOf(placementLabels(one)) === one)).toBe(true)
})
