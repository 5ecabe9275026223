import { expect, it } from 'vitest'
import { killInRecovery } from './scenarios/kill-in-recovery.ts'

it('recovers from three kills in a row during recovery', async () => {
  expect(await killInRecovery({ runs: 200, steps: 8 })).toEqual([])
})
