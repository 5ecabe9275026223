import { expect, it } from 'vitest'
import { killRounds } from './scenarios/kill-rounds.ts'

it('loses nothing and repeats no recorded step over a few kills, every second one with Postgres', async () => {
  expect(await killRounds({ rounds: 4, runs: 60, steps: 6 })).toEqual([])
}, 90_000)
