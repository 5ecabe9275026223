// Runbooks, started in every way, while everything around them is killed, frozen, stopped, cut and cancelled.
import { expect, it } from 'vitest'
import { runbookStorm } from './runbook-storm/storm.ts'

it('whatever happens at whatever moment, each ends as its work says, is paid, and leaves nothing', async () => {
  expect(await runbookStorm({ runs: 80, blows: 8, cuts: 12 })).toEqual([])
})
