import { expect, it } from 'vitest'
import { densityOf } from './timeline.tsx'

it('counts the steps at work in each column', () => {
  const spans = [
    { from: 0, to: 10 },
    { from: 5, to: 5 },
    { from: 5, to: 39, failed: true },
  ]
  const columns = densityOf(spans, (moment) => moment / 40, 4)
  expect(columns.map(({ busy }) => busy)).toEqual([3, 2, 1, 1])
  expect(columns.map(({ failed }) => failed)).toEqual([false, false, false, true])
})
