// The crash tests with small numbers: the part of them that `npm test` has time for.
import { expect, it } from 'vitest'
import { approvals } from './scenarios/approvals.ts'
import { batches } from './scenarios/batches.ts'
import { drained } from './scenarios/drained.ts'
import { killRounds } from './scenarios/kill-rounds.ts'
import { postgresKilled } from './scenarios/postgres-killed.ts'
import { secrets } from './scenarios/secrets.ts'

const timeout = 300_000

it('loses nothing and repeats no recorded step over a few kills, every second one with Postgres', {
  timeout,
}, async () => {
  expect(await killRounds({ rounds: 2, runs: 40, steps: 6 })).toEqual([])
})

it('survives the death of Postgres, answers 503 meanwhile, and finishes by itself', { timeout }, async () => {
  expect(await postgresKilled({ kills: 1, runs: 25, steps: 6 })).toEqual([])
})

it('SIGTERM under load loses nothing, repeats nothing, and stops Postgres last', { timeout }, async () => {
  expect(await drained({ runs: 30, stubborn: 2, steps: 8, drainSeconds: 1 })).toEqual([])
})

it('runs that wait for a person wait on through kills, and are decided once', { timeout }, async () => {
  expect(await approvals({ runs: 12, kills: 1 })).toEqual([])
})

it('secrets of a run survive kill -9 and are gone at its end', { timeout }, async () => {
  expect(await secrets()).toEqual([])
})

it('a batch of 300 goes on after kills without a duplicate, started once by whoever repeats its request', {
  timeout,
}, async () => {
  expect(await batches({ kills: 2, size: 300 })).toEqual([])
})
