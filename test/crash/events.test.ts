import { expect, it } from 'vitest'
import { watchedRuns } from './scenarios/watched-runs.ts'

it('tells 200 watchers everything once while the server is killed and started again twice', async () => {
  expect(await watchedRuns({ runs: 200, steps: 10, kills: 2 })).toEqual([])
})
