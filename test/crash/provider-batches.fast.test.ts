// Batches of a provider and a killed server with small numbers: the part that `npm test` has time for.
import { expect, it } from 'vitest'
import { providerBatchKills } from './scenarios/provider-batches.ts'

it('submits every item once over a kill between creation and its answer', { timeout: 300_000 }, async () => {
  expect(await providerBatchKills({ items: 40, moments: ['created'] })).toEqual([])
})
