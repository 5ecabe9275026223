import { expect, test } from 'vitest'
import { staleCount } from './results-tab.tsx'

test.each([
  [{}, 0],
  [{ fresh: 9, running: 3 }, 0],
  [{ fresh: 9, item_changed: 1, task_changed: 2, failed: 3, missing: 4 }, 10],
])('of %j, %i are to be run', (counts, count) => {
  expect(staleCount(counts)).toBe(count)
})
