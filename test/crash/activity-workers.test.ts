import { expect, it } from 'vitest'
import { activityWorkers } from './scenarios/activity-workers.ts'

it('workers that are cut off and freeze lose no run, and redo nothing that was accepted', {
  timeout: 300_000,
}, async () => {
  expect(await activityWorkers({ runs: 120, workers: 6 })).toEqual([])
})
