import { expect, it } from 'vitest'
import { planner } from './scenarios/planner.ts'

it('commits read no more of the runs when 10,000 are open and the statistics are fresh', async () => {
  expect(await planner({ open: 10_000, runs: 1_000 })).toEqual([])
})
