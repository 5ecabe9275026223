// The crash tests with small numbers: the part of them that `npm test` has time for.
import { expect, it } from 'vitest'
import { approvals } from './scenarios/approvals.ts'
import { batches } from './scenarios/batches.ts'
import { controlFlow } from './scenarios/control-flow.ts'
import { drained } from './scenarios/drained.ts'
import { evaluations } from './scenarios/evaluations.ts'
import { killInRecovery } from './scenarios/kill-in-recovery.ts'
import { killRounds } from './scenarios/kill-rounds.ts'
import { poison } from './scenarios/poison.ts'
import { postgresKilled } from './scenarios/postgres-killed.ts'
import { repeated } from './scenarios/repeated.ts'
import { reruns } from './scenarios/reruns.ts'
import { secrets } from './scenarios/secrets.ts'
import { sleepers } from './scenarios/sleepers.ts'

const timeout = 90_000

it('loses nothing and repeats no recorded step over a few kills, every second one with Postgres', {
  timeout,
}, async () => {
  expect(await killRounds({ rounds: 4, runs: 60, steps: 6 })).toEqual([])
})

it('branches, loops, steps side by side and retries go on where they stood', { timeout }, async () => {
  expect(await controlFlow({ kills: 3, runs: 10 })).toEqual([])
})

it('recovers from three kills in a row during recovery', { timeout }, async () => {
  expect(await killInRecovery({ runs: 40, steps: 6 })).toEqual([])
})

it('survives the death of Postgres, answers 503 meanwhile, and finishes by itself', { timeout }, async () => {
  expect(await postgresKilled({ kills: 3, runs: 40, steps: 6 })).toEqual([])
})

it('SIGTERM under load loses nothing, repeats nothing, and stops Postgres last', { timeout }, async () => {
  expect(await drained({ runs: 40, stubborn: 2, steps: 8, drainSeconds: 1 })).toEqual([])
})

it('a run that kills its process fails alone', { timeout }, async () => {
  expect(await poison({ neighbours: 8, steps: 4, processes: 1 })).toEqual([])
})

it('runs that sleep in memory are not suspected of the deaths they sleep through', { timeout }, async () => {
  expect(await sleepers({ runs: 20, seconds: 6, kills: 3 })).toEqual([])
})

it('runs that wait for a person wait on through kills, and are decided once', { timeout }, async () => {
  expect(await approvals({ runs: 20, kills: 3 })).toEqual([])
})

it('an evaluation goes on after kills: each run is judged once by each judge', { timeout }, async () => {
  expect(await evaluations({ kills: 3 })).toEqual([])
})

it('secrets of a run survive kill -9 and are gone at its end', { timeout }, async () => {
  expect(await secrets()).toEqual([])
})

it('a request that is repeated with its key until it is answered starts one run', { timeout }, async () => {
  expect(await repeated({ kills: 3, requests: 300 })).toEqual([])
})

it('reruns from the middle survive kills: what they carry over is there once, and never executed', {
  timeout,
}, async () => {
  expect(await reruns({ kills: 3, runs: 60 })).toEqual([])
})

it('a batch of 500 goes on after kills without a duplicate, started once by whoever repeats its request', {
  timeout,
}, async () => {
  expect(await batches({ kills: 3, size: 500 })).toEqual([])
})
