import { expect, it } from 'vitest'
import { killRounds } from './scenarios/kill-rounds.ts'

it('loses nothing and repeats no recorded step over 20 kills, every second one with Postgres', async () => {
  expect(await killRounds({ rounds: 20, runs: 300, steps: 8 })).toEqual([])
})
