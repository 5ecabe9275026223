import { expect, it } from 'vitest'
import { drained } from './scenarios/drained.ts'

it('SIGTERM under load loses nothing, repeats nothing, and stops Postgres last', async () => {
  expect(await drained({ runs: 200, stubborn: 5, steps: 20, drainSeconds: 5 })).toEqual([])
})
