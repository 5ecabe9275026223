// Deliveries to hooks and killed servers with small numbers: the part that `npm test` has time for.
import { expect, it } from 'vitest'
import { hookKills } from './scenarios/hooks.ts'

it('starts one run for each delivery over killed servers', { timeout: 300_000 }, async () => {
  expect(await hookKills({ deliveries: 100, kills: 2 })).toEqual([])
})
