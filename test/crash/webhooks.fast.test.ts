// Deliveries and killed workers with small numbers: the part that `npm test` has time for.
import { expect, it } from 'vitest'
import { webhookKills } from './scenarios/webhooks.ts'

it('tells of every run over killed workers, and twice only of what was under way', { timeout: 300_000 }, async () => {
  expect(await webhookKills({ runs: 100, kills: 2 })).toEqual([])
})
