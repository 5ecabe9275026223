// Judged items over batches of a provider, with a server that is killed at six moments.
import { expect, it } from 'vitest'
import { providerBatchKills } from './scenarios/provider-batches.ts'

it('submits 10,000 items once, at half the bill, over six kills', { timeout: 900_000 }, async () => {
  expect(await providerBatchKills({ items: 10_000, moments: ['uploaded', 'created', 'looked', 'read'] })).toEqual([])
})
