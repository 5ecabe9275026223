import { expect, it } from 'vitest'
import { postgresKilled } from './scenarios/postgres-killed.ts'

it('survives the death of Postgres twenty times, answers 503 meanwhile, and finishes by itself', async () => {
  expect(await postgresKilled({ kills: 20, runs: 100, steps: 8 })).toEqual([])
})
