import { expect, it } from 'vitest'
import { workerFrozen } from './scenarios/worker-frozen.ts'
import { workerKilled } from './scenarios/worker-killed.ts'

it('the runs of a killed worker go on at the other within ten seconds', async () => {
  expect(await workerKilled({ runs: 120, steps: 50 })).toEqual([])
})

it('a frozen worker that thaws after the takeover writes nothing', async () => {
  expect(await workerFrozen({ runs: 150, steps: 60 })).toEqual([])
})
